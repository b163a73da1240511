//! The GLWE ciphertexts that a squashing rotation turns: bits 127 to 64 of a word in `high`, 63 to 44 in `low`.
//!
//! Bits below 44 carry nothing: the digits end at bit 56, and the noise is 2^64. `[ciphertext][column 3][N + 16]`,
//! each polynomial followed by the negacyclic continuation of its first eight coefficients.

use super::{COLUMNS, SQUASHED_LWE};
use crate::aligned::Aligned;
use crate::lanes::LANES;
use crate::parameters::N;

/// Words of a polynomial with its continuation, padded to a whole cache line.
pub const POLYNOMIAL_WORDS: usize = N + 16;
/// Bits of a word in the low part, and below it.
pub const LOW_BITS: u32 = 20;
pub const DROPPED_BITS: u32 = 64 - LOW_BITS;
const LOW_MASK: i32 = (1 << LOW_BITS) - 1;

/// Values of a block with its padding bit's half: 0 to 15, in units of 2^123.
const VALUES: usize = 16;
const UNIT_LOG2: u32 = 123;

pub struct Accumulators {
    pub(super) high: Aligned<i64>,
    pub(super) low: Aligned<i32>,
    count: usize,
}

impl Accumulators {
    /// Zeros.
    pub fn new(count: usize) -> Self {
        let words = count * COLUMNS * POLYNOMIAL_WORDS;
        Self { high: Aligned::zeroed(words), low: Aligned::zeroed(words), count }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// The word of a coefficient.
    pub fn word(&self, ciphertext: usize, column: usize, place: usize) -> u128 {
        let at = (ciphertext * COLUMNS + column) * POLYNOMIAL_WORDS + place;
        u128::from(self.high[at] as u64) << 64 | u128::from(self.low[at] as u32) << DROPPED_BITS
    }

    /// Replaces a polynomial; bits below 2^44 are dropped.
    pub fn set_polynomial(&mut self, ciphertext: usize, column: usize, words: impl Iterator<Item = u128>) {
        let start = (ciphertext * COLUMNS + column) * POLYNOMIAL_WORDS;
        for (at, word) in (start..start + N).zip(words) {
            self.high[at] = (word >> 64) as i64;
            self.low[at] = (word >> DROPPED_BITS) as i32 & LOW_MASK;
        }
        unsafe { continue_negacyclic(self.high[start..].as_mut_ptr(), self.low[start..].as_mut_ptr()) };
    }

    /// The trivial encryption of X^-exponent times the identity's test polynomial, into a ciphertext of zeros.
    ///
    /// Box v has N/16 coefficients around its middle, so the polynomial begins with half of box 0.
    pub fn start(&mut self, ciphertext: usize, exponent: usize) {
        let word = |j: usize| {
            let source = j + exponent;
            let place = source % N + N / VALUES / 2;
            let value = ((place / (N / VALUES)) as u128 % VALUES as u128) << UNIT_LOG2;
            if source / N % 2 == 1 { value.wrapping_neg() } else { value }
        };
        self.set_polynomial(ciphertext, COLUMNS - 1, (0..N).map(word));
    }

    /// Sample extraction of the constant coefficient: N words of each mask polynomial, then the body.
    pub fn extract(&self, ciphertext: usize, lwe: &mut [u128]) {
        debug_assert!(lwe.len() == SQUASHED_LWE);
        for (place, word) in lwe[..SQUASHED_LWE - 1].iter_mut().enumerate() {
            let (column, j) = (place / N, place % N);
            // (a s)_0 = a_0 s_0 - sum over j > 0 of a_(N-j) s_j
            *word = match j {
                0 => self.word(ciphertext, column, 0),
                _ => self.word(ciphertext, column, N - j).wrapping_neg(),
            };
        }
        lwe[SQUASHED_LWE - 1] = self.word(ciphertext, COLUMNS - 1, 0);
    }
}

/// Renews the continuation of a polynomial that has changed; a low part may be negative there.
///
/// # Safety
/// `POLYNOMIAL_WORDS` words at both places.
#[inline(always)]
pub unsafe fn continue_negacyclic(high: *mut i64, low: *mut i32) {
    for j in 0..LANES {
        unsafe {
            *high.add(N + j) = (*high.add(j)).wrapping_neg();
            *low.add(N + j) = -*low.add(j);
        }
    }
}
