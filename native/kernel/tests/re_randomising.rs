//! The keyswitch of re-randomisation against its definition, word for word, on every path.

mod common;

use cipherstream_kernel::digits::single;
use cipherstream_kernel::parameters::{BIG_LWE, N, RE_RANDOMISING_BASE_LOG};
use cipherstream_kernel::path::Path;
use cipherstream_kernel::re_randomising::ReRandomisingKey;
use cipherstream_kernel::tile_product::{add_product, gather, GROUP, TILE_INPUTS, TILE_WORDS};
use common::SplitMix;

const HALF: i32 = 1 << (RE_RANDOMISING_BASE_LOG - 1);
/// Of the digit.
const UNIT: u64 = 1 << 40;

#[test]
fn a_digit_is_the_rounded_word() {
    let mut random = SplitMix(3);
    for word in random.words(2000).into_iter().chain(corners()) {
        let digit = single(word, RE_RANDOMISING_BASE_LOG);
        assert!((-HALF..=HALF).contains(&digit));
        assert_eq!(i64::from(digit) as u64, word.wrapping_add(UNIT / 2) >> 40 | sign(digit), "{word:#x}");
    }
}

/// Pinned from TFHE-rs's rule: exactly 2^23 goes down if rounding took it there.
#[test]
fn ties_go_where_the_reference_sends_them() {
    let (half, digit) = (1u64 << 63, |word| single(word, RE_RANDOMISING_BASE_LOG));
    assert_eq!(digit(half), HALF);
    assert_eq!(digit(half - UNIT / 2), -HALF);
    assert_eq!(digit(half - UNIT / 2 - 1), HALF - 1);
    assert_eq!(digit(half + UNIT / 2), 1 - HALF);
    assert_eq!((digit(UNIT / 2), digit(UNIT / 2 - 1), digit(u64::MAX)), (1, 0, 0));
}

#[test]
fn every_path_and_batch_computes_the_definition() {
    let mut random = SplitMix(4);
    let standard = random.words(N * BIG_LWE);
    let key = ReRandomisingKey::attach(standard.clone()).unwrap();
    let mut lwes = random.words(130 * BIG_LWE);
    lwes[..corners().len()].copy_from_slice(&corners());
    let expected: Vec<u64> = lwes.chunks_exact(BIG_LWE).flat_map(|lwe| defined(lwe, &standard)).collect();
    for path in Path::available() {
        for batch in [0, 1, 2, 9, 130] {
            let found = key.switch(&lwes[..batch * BIG_LWE], 1, path).unwrap();
            assert!(found == expected[..batch * BIG_LWE], "{path:?} {batch}");
        }
        assert!(key.switch(&lwes, 3, path).unwrap() == expected, "{path:?}");
    }
}

#[test]
fn every_path_multiplies_the_extremes() {
    let mut random = SplitMix(5);
    let words = [0, 1, u64::MAX, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 63, 0x7fff_ffff_8000_0000];
    let digits = [i64::from(i32::MIN), i64::from(i32::MAX), 0, -1, 1, i64::from(HALF), -i64::from(HALF)];
    let mut pick = |count: usize| (random.word() % count as u64) as usize;
    let tile: Vec<u64> = (0..TILE_INPUTS * TILE_WORDS).map(|_| words[pick(words.len())]).collect();
    let factors: Vec<i64> = (0..TILE_INPUTS * GROUP).map(|_| digits[pick(digits.len())]).collect();
    let product = |path| {
        let mut sums = vec![7; GROUP * TILE_WORDS];
        add_product(&tile, &factors, GROUP, &mut sums, path);
        sums
    };
    for path in Path::available() {
        assert_eq!(product(path), product(Path::Scalar), "{path:?}");
    }
}

#[test]
fn a_tile_ends_with_zeros_where_columns_end() {
    let rows: Vec<u64> = (0..3 * 30).collect();
    let mut tile = vec![99; 3 * TILE_WORDS];
    gather(&rows, 30, 24, &mut tile);
    for (row, words) in tile.chunks_exact(TILE_WORDS).enumerate() {
        assert_eq!(words[..6], rows[row * 30 + 24..][..6]);
        assert!(words[6..].iter().all(|&word| word == 0));
    }
}

#[test]
fn wrong_shapes_are_refused() {
    let refused = ReRandomisingKey::attach(vec![0; N * BIG_LWE - 1]).err().unwrap();
    assert_eq!(refused.0, "the re-randomising key has 4196351 elements, 4196352 are due");
    let key = ReRandomisingKey::attach(vec![0; N * BIG_LWE]).unwrap();
    assert!(key.switch(&[0; BIG_LWE + 1], 1, Path::best()).is_err());
}

/// (0, b) minus the sum over inputs of digit times row.
fn defined(lwe: &[u64], standard: &[u64]) -> Vec<u64> {
    let mut output = vec![0u64; BIG_LWE];
    output[N] = lwe[N];
    for (&input, row) in lwe.iter().zip(standard.chunks_exact(BIG_LWE)) {
        let digit = i64::from(single(input, RE_RANDOMISING_BASE_LOG)) as u64;
        for (word, &key) in output.iter_mut().zip(row) {
            *word = word.wrapping_sub(key.wrapping_mul(digit));
        }
    }
    output
}

/// The upper bits of a negative number of 64 bits.
fn sign(digit: i32) -> u64 {
    if digit < 0 {
        u64::MAX << RE_RANDOMISING_BASE_LOG
    } else {
        0
    }
}

/// Words around every tie of the rounding and of the digit.
fn corners() -> Vec<u64> {
    let around = |word: u64| [word.wrapping_sub(1), word, word.wrapping_add(1)];
    let powers =
        (38..64).flat_map(|bit| around(1 << bit).into_iter().chain(around((1u64 << bit).wrapping_neg())));
    powers.chain(around((1 << 63) - UNIT / 2)).chain(around((1 << 63) + UNIT / 2)).collect()
}
