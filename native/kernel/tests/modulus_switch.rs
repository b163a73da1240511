//! The modulus switch against its definition in wide integers.

mod common;

use cipherstream_kernel::modulus_switch::switch_modulus;
use common::SplitMix;

const UNIT: i128 = 1 << 52;

#[test]
fn amounts_are_the_definition() {
    let mut random = SplitMix(21);
    for dimension in [1, 2, 17, 918] {
        let lwe = random.words(dimension + 1);
        assert_eq!(switched(&lwe), defined(&lwe));
    }
}

#[test]
fn mask_words_round_half_up_and_the_body_is_cut() {
    let unit = 1u64 << 52;
    assert_eq!(switched(&[unit / 2, 0]), [1, 0]);
    assert_eq!(switched(&[unit / 2 - 1, unit - 1]), [0, 0]);
    assert_eq!(switched(&[0, 7 * unit - 1]), [0, 6]);
    assert_eq!(switched(&[u64::MAX, 0]), [0, 0]);
}

/// For a key of ones and zeros in equal number the compensation is right on average; for one chosen key bit it is
/// off by half of that bit's error.
#[test]
fn half_of_the_rounding_errors_moves_to_the_body() {
    let unit = 1u64 << 52;
    let error = 1u64 << 50;
    // the mask rounds down by `error` eight times: four of them leave the body
    let lwe = [vec![unit + error; 8], vec![10 * unit + 4 * error]].concat();
    assert_eq!(switched(&lwe)[8], 10);
    let lwe = [vec![unit + error; 8], vec![10 * unit + 4 * error - 1]].concat();
    assert_eq!(switched(&lwe)[8], 9);
}

#[test]
fn an_empty_ciphertext_is_left_alone() {
    switch_modulus(&[], &mut []);
}

fn switched(lwe: &[u64]) -> Vec<u16> {
    let mut amounts = vec![0; lwe.len()];
    switch_modulus(lwe, &mut amounts);
    amounts
}

fn defined(lwe: &[u64]) -> Vec<u16> {
    let (body, mask) = lwe.split_last().unwrap();
    let round = |word: u64| (2 * i128::from(word) + UNIT).div_euclid(2 * UNIT);
    let errors: i128 = mask.iter().map(|&word| i128::from(word) - UNIT * round(word)).sum();
    let centred = i128::from(*body) - errors.div_euclid(2);
    let amounts = mask.iter().map(|&word| round(word)).chain([centred.div_euclid(UNIT)]);
    amounts.map(|amount| amount.rem_euclid(4096) as u16).collect()
}
