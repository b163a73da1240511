//! The accumulator's start and the extraction of every kind of coefficient, against schoolbook polynomials.

mod common;

use cipherstream_kernel::accumulator::{extract, start, ACCUMULATOR_WORDS, POLYNOMIAL_WORDS};
use cipherstream_kernel::parameters::{BIG_LWE, N};
use common::client::phase;
use common::exact::{multiply, rotate, sub};
use common::SplitMix;

#[test]
fn the_table_is_turned_back_by_the_body() {
    let table = table(&mut SplitMix(1));
    for exponent in [0, 1, 8, 2047, 2048, 2056, 4095] {
        let mut accumulator = vec![-1; ACCUMULATOR_WORDS];
        start(&mut accumulator, &table, exponent);
        let (mask, body) = accumulator.split_at(POLYNOMIAL_WORDS);
        assert!(mask.iter().all(|&word| word == 0));
        assert_eq!(torus(&body[..N]), rotate(&table, 2 * N - exponent));
    }
}

#[test]
fn a_polynomial_goes_on_negated() {
    let mut accumulator = vec![0; ACCUMULATOR_WORDS];
    start(&mut accumulator, &table(&mut SplitMix(2)), 77);
    let body = &accumulator[POLYNOMIAL_WORDS..];
    let negated: Vec<i32> = body[..8].iter().map(|word| word.wrapping_neg()).collect();
    assert_eq!(body[N..N + 8], negated);
}

#[test]
fn the_phase_of_a_sample_is_the_coefficient() {
    let mut random = SplitMix(3);
    let key = random.bits(N);
    let accumulator: Vec<i32> = random.words(ACCUMULATOR_WORDS).iter().map(|&word| word as i32).collect();
    let (mask, body) = accumulator.split_at(POLYNOMIAL_WORDS);
    let expected = sub(&torus(&body[..N]), &multiply(&torus(&mask[..N]), &key));
    for position in [0, 1, 128, 1000, 1024, 2046, 2047] {
        let mut lwe = vec![0; BIG_LWE];
        extract(&accumulator, position, &mut lwe);
        assert_eq!(phase(&key, &lwe), expected[position], "{position}");
    }
}

fn table(random: &mut SplitMix) -> Vec<u64> {
    random.words(N).iter().map(|word| word >> 32 << 32).collect()
}

fn torus(words: &[i32]) -> Vec<u64> {
    words.iter().map(|&word| u64::from(word as u32) << 32).collect()
}
