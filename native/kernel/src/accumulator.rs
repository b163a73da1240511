//! The GLWE ciphertext that a blind rotation turns, in 32-bit words.
//!
//! `[column 2][N + 16]` i32: each polynomial is followed by the negacyclic continuation of its first eight
//! coefficients, so that eight rotated coefficients are always one unaligned load.

use crate::lanes::LANES;
use crate::parameters::{ACCUMULATOR_BITS, BIG_LWE, COLUMNS, N};

/// Words of a polynomial with its continuation, padded to a whole cache line.
pub const POLYNOMIAL_WORDS: usize = N + 16;
/// Words of an accumulator.
pub const ACCUMULATOR_WORDS: usize = COLUMNS * POLYNOMIAL_WORDS;

const TORUS_SHIFT: u32 = u64::BITS - ACCUMULATOR_BITS;

/// accumulator = (0, X^-exponent table): the trivial encryption of the rotated test polynomial.
///
/// `table`: N torus words, multiples of 2^32; `exponent` below 2N.
pub fn start(accumulator: &mut [i32], table: &[u64], exponent: usize) {
    let (mask, body) = accumulator.split_at_mut(POLYNOMIAL_WORDS);
    mask.fill(0);
    for (j, word) in body[..N].iter_mut().enumerate() {
        let source = j + exponent;
        let value = (table[source % N] >> TORUS_SHIFT) as i32;
        *word = if source / N % 2 == 1 { value.wrapping_neg() } else { value };
    }
    continue_negacyclic(body);
}

/// Renews the continuation of a polynomial that has changed.
#[inline(always)]
pub fn continue_negacyclic(polynomial: &mut [i32]) {
    for j in 0..LANES {
        polynomial[N + j] = polynomial[j].wrapping_neg();
    }
}

/// Sample extraction: the LWE ciphertext, under the big key, of coefficient `position` of the phase.
///
/// With a table of several functions side by side, each is read at its own position (many-LUT: Chillotti,
/// Ligier, Orfila, Tap, "Improved programmable bootstrapping", 2021). `lwe`: N mask words, then the body.
pub fn extract(accumulator: &[i32], position: usize, lwe: &mut [u64]) {
    debug_assert!(lwe.len() == BIG_LWE && position < N);
    let (mask, body) = accumulator.split_at(POLYNOMIAL_WORDS);
    // (a s)_t = sum over j <= t of a_(t-j) s_j, minus sum over j > t of a_(N+t-j) s_j
    for (j, word) in lwe[..N].iter_mut().enumerate() {
        let value = if j <= position { mask[position - j] } else { mask[N + position - j].wrapping_neg() };
        *word = torus(value);
    }
    lwe[N] = torus(body[position]);
}

fn torus(word: i32) -> u64 {
    u64::from(word as u32) << TORUS_SHIFT
}
