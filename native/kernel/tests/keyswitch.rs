//! The keyswitch against its definition, word for word, on every path.

mod common;

use cipherstream_kernel::batch::keyswitch;
use cipherstream_kernel::digits::{decompose, Tie};
use cipherstream_kernel::keyswitch::{KeyswitchKey, Target};
use cipherstream_kernel::parameters::{BIG_LWE, N};
use cipherstream_kernel::path::Path;
use common::client::{phase, Client, MESSAGE_SHIFT};
use common::SplitMix;

const DIMENSION: usize = 10;

#[test]
fn digits_recompose_to_the_rounded_word() {
    let mut random = SplitMix(3);
    for levels in 1..=4 {
        let unit = 64 - 4 * levels as u32;
        for word in corners().into_iter().chain(random.words(2000)) {
            for tie in [Tie::Rounded, Tie::Positive] {
                let digits = decompose(word, levels, tie);
                assert!(digits.iter().all(|digit| (-8..=8).contains(digit)));
                assert!(digits[levels..].iter().all(|&digit| digit == 0));
                let sum = digits.iter().rev().fold(0i64, |sum, &digit| 16 * sum + i64::from(digit));
                let rounded = word.wrapping_add(1 << (unit - 1)) >> unit << unit;
                assert_eq!((sum as u64) << unit, rounded, "{word:#x} {levels} {tie:?}");
            }
        }
    }
}

/// Pinned from TFHE-rs's rule: exactly 2^15 goes down if rounding took it there; a digit of 8 goes down if bit 3 of
/// the remaining value is set.
#[test]
fn ties_go_where_the_reference_sends_them() {
    let half = 1u64 << 63;
    assert_eq!(decompose(half, 4, Tie::Rounded), [0, 0, 0, 8]);
    assert_eq!(decompose(half - (1 << 47), 4, Tie::Rounded), [0, 0, 0, -8]);
    assert_eq!(decompose(half - (1 << 47), 4, Tie::Positive), [0, 0, 0, 8]);
    assert_eq!(decompose(half + (1 << 48), 4, Tie::Rounded), [1, 0, 0, -8]);
    assert_eq!(decompose(0x0008 << 48, 4, Tie::Rounded), [8, 0, 0, 0]);
    assert_eq!(decompose(0x0088 << 48, 4, Tie::Rounded), [-8, -7, 1, 0]);
    assert_eq!(decompose(0x7fff << 48, 4, Tie::Rounded), [-1, 0, 0, 8]);
    assert_eq!(decompose(u64::MAX, 4, Tie::Rounded), [0, 0, 0, 0]);
}

#[test]
fn every_path_and_batch_computes_the_definition() {
    let mut random = SplitMix(4);
    for levels in [3, 4] {
        let standard = random.words(N * levels * (DIMENSION + 1));
        let key = KeyswitchKey::prepare(&standard, levels, DIMENSION + 1, Target::Lwe).unwrap();
        for batch in [1, 2, 9] {
            let lwes = random.words(batch * BIG_LWE);
            let expected: Vec<u64> =
                lwes.chunks_exact(BIG_LWE).flat_map(|lwe| defined(lwe, &standard, levels)).collect();
            for path in Path::available() {
                for threads in [1, 3] {
                    assert_eq!(keyswitch(&lwes, &key, threads, path).unwrap(), expected, "{path:?} {batch}");
                }
            }
        }
    }
}

#[test]
fn a_message_survives_with_the_noise_of_the_model() {
    let mut client = Client::new(32, 5);
    let key = KeyswitchKey::prepare(&client.keyswitch_key(), 4, 33, Target::Lwe).unwrap();
    let lwes: Vec<u64> = (0..16).flat_map(|message| client.encrypt(message)).collect();
    let small = keyswitch(&lwes, &key, 2, Path::best()).unwrap();
    for (message, lwe) in small.chunks_exact(33).enumerate() {
        let error = phase(&client.small, lwe).wrapping_sub((message as u64) << MESSAGE_SHIFT) as i64;
        // standard deviation 2^52.98, so 2^56 is eight of them
        assert!(error.abs() < 1 << 56, "{message}: {error}");
    }
}

#[test]
fn wrong_shapes_are_refused() {
    let refusal = |levels, columns, words| {
        KeyswitchKey::prepare(&vec![0; words], levels, columns, Target::Lwe).err().map(|refused| refused.0)
    };
    assert!(refusal(5, 3, 5 * 3 * N).unwrap().contains("5 levels"));
    assert!(refusal(4, 0, 0).unwrap().contains("0 words"));
    assert!(refusal(4, 3, 4 * 3 * N - 1).unwrap().contains("24575 elements, 24576 are due"));
    let key = KeyswitchKey::prepare(&vec![0; 4 * 3 * N], 4, 3, Target::Lwe).unwrap();
    assert!(keyswitch(&vec![0; BIG_LWE + 1], &key, 1, Path::best()).is_err());
    assert_eq!(keyswitch(&[], &key, 4, Path::best()).unwrap(), []);
}

/// (0, b) minus the sum over inputs and levels of digit times row.
fn defined(lwe: &[u64], standard: &[u64], levels: usize) -> Vec<u64> {
    let mut output = vec![0u64; DIMENSION + 1];
    output[DIMENSION] = lwe[N];
    for (input, rows) in standard.chunks_exact(levels * (DIMENSION + 1)).enumerate() {
        let digits = decompose(lwe[input], levels, Tie::Rounded);
        for (digit, row) in digits.iter().zip(rows.chunks_exact(DIMENSION + 1)) {
            for (word, &key) in output.iter_mut().zip(row) {
                *word = word.wrapping_sub(key.wrapping_mul(*digit as u64));
            }
        }
    }
    output
}

/// Words around every tie of the rounding and of the digits.
fn corners() -> Vec<u64> {
    let around = |word: u64| [word.wrapping_sub(1), word, word.wrapping_add(1)];
    let powers =
        (40..64).flat_map(|bit| around(1 << bit).into_iter().chain(around((1u64 << bit).wrapping_neg())));
    powers.chain(around(0x8888 << 48)).chain(around(0x7777_8000_0000_0000)).collect()
}
