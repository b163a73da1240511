//! The packing keyswitch of squashed ciphertexts against its definition.

mod common;

use cipherstream_kernel::aligned::Aligned;
use cipherstream_kernel::path::Path;
use cipherstream_kernel::squash::packing::{
    digit, packing_header, transform_chunk, WidePackingKey, BASE_LOG, CHUNK_INPUTS, INPUTS,
};
use cipherstream_kernel::squash::SQUASHED_LWE;
use common::SplitMix;

const DIMENSION: usize = 2;
const SIZE: usize = 16;
const COLUMNS: usize = (DIMENSION + 1) * SIZE;

#[test]
fn every_path_and_thread_count_packs_by_the_definition() {
    let mut random = SplitMix(61);
    let standard = random.wide_words(INPUTS * COLUMNS);
    let key = WidePackingKey::prepare(&standard, DIMENSION, SIZE).unwrap();
    for count in [0, 1, 8, 11, SIZE] {
        let lwes = random.wide_words(count * SQUASHED_LWE);
        let expected = defined(&lwes, &standard);
        for path in Path::available() {
            for threads in [1, 2] {
                assert!(key.pack(&lwes, threads, path).unwrap() == expected, "{path:?} {count} {threads}");
            }
        }
    }
}

/// Digits at the ends of their range, times words of ones: the sums that come closest to an overflow.
#[test]
fn the_largest_digits_and_words_do_not_overflow() {
    let standard = vec![u128::MAX; INPUTS * COLUMNS];
    let key = WidePackingKey::prepare(&standard, DIMENSION, SIZE).unwrap();
    for word in [1u128 << 127, (1 << 127) + (1 << 67), u128::MAX, 0] {
        let lwes = vec![word; 2 * SQUASHED_LWE];
        let expected = defined(&lwes, &standard);
        for path in Path::available() {
            assert!(key.pack(&lwes, 1, path).unwrap() == expected, "{path:?} {word:x}");
        }
    }
}

#[test]
fn a_digit_is_the_nearest_multiple_of_its_unit() {
    let unit = 1u128 << (128 - BASE_LOG);
    assert_eq!(digit(0), 0);
    assert_eq!((digit(unit), digit(unit.wrapping_neg())), (1, -1));
    assert_eq!((digit(unit / 2 - 1), digit(unit / 2)), (0, 1));
    assert_eq!(digit(1 << 127), 1 << 60);
    assert_eq!(digit((1 << 127) + unit), 1 - (1 << 60));
    assert_eq!(digit(u128::MAX), 0);
    for word in SplitMix(62).wide_words(1000) {
        let error = (digit(word) as i128 as u128).wrapping_mul(unit).wrapping_sub(word) as i128;
        assert!(error.unsigned_abs() <= unit / 2);
    }
}

#[test]
fn a_key_is_written_in_pieces_and_attached() {
    let standard = SplitMix(63).wide_words(INPUTS * COLUMNS);
    let key = WidePackingKey::prepare(&standard, DIMENSION, SIZE).unwrap();
    let mut pieces = packing_header(DIMENSION, SIZE).unwrap().to_vec();
    for rows in standard.chunks_exact(CHUNK_INPUTS * COLUMNS) {
        let words = transform_chunk(rows, DIMENSION, SIZE).unwrap();
        pieces.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
    assert!(pieces == key.bytes());
    let lwes = SplitMix(64).wide_words(SQUASHED_LWE);
    let pack = |key: &WidePackingKey| key.pack(&lwes, 1, Path::best()).unwrap();
    assert!(pack(&attach(&pieces).unwrap()) == pack(&key));
    for place in [0, 8, 16, 24, 32, 40, 48] {
        let mut changed = pieces.clone();
        changed[place] ^= 1;
        assert!(attach(&changed).is_err(), "{place}");
    }
    assert!(attach(&pieces[..pieces.len() - 1]).is_err() && attach(&[]).is_err());
}

#[test]
fn wrong_shapes_are_refused() {
    let key = WidePackingKey::prepare(&vec![0; INPUTS * 16], 1, 8).unwrap();
    let refused = key.pack(&vec![0; 9 * SQUASHED_LWE], 1, Path::best()).unwrap_err();
    assert_eq!(refused.0, "9 ciphertexts, 8 fit into a polynomial");
    assert!(key.pack(&[0; 7], 1, Path::best()).is_err());
    assert!(packing_header(1, 12).is_err() && packing_header(0, 8).is_err());
    assert!(packing_header(usize::MAX, 8).is_err() && packing_header(1, 0).is_err());
    assert!(transform_chunk(&[0; 16], 1, 8).is_err() && WidePackingKey::prepare(&[], 1, 8).is_err());
}

fn attach(bytes: &[u8]) -> Result<WidePackingKey, cipherstream_kernel::error::Refused> {
    struct Bytes(Aligned<u8>);
    impl AsRef<[u8]> for Bytes {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let mut aligned = Aligned::zeroed(bytes.len());
    aligned.copy_from_slice(bytes);
    WidePackingKey::attach(Bytes(aligned))
}

/// Keyswitch, multiply by a power of X, add.
fn defined(lwes: &[u128], standard: &[u128]) -> Vec<u128> {
    let mut packed = vec![0u128; COLUMNS];
    for (degree, lwe) in lwes.chunks_exact(SQUASHED_LWE).enumerate() {
        let mut glwe = vec![0u128; COLUMNS];
        glwe[DIMENSION * SIZE] = lwe[INPUTS];
        for (row, &word) in standard.chunks_exact(COLUMNS).zip(lwe) {
            for (sum, &key) in glwe.iter_mut().zip(row) {
                *sum = sum.wrapping_sub(key.wrapping_mul(digit(word) as i128 as u128));
            }
        }
        for (column, &word) in glwe.iter().enumerate() {
            let place = column % SIZE + degree;
            let at = column / SIZE * SIZE + place % SIZE;
            packed[at] = packed[at].wrapping_add(if place < SIZE { word } else { word.wrapping_neg() });
        }
    }
    packed
}
