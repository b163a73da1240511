//! The three digits of X^a p - p, read as the eight points of a first-stage transform.

use super::accumulator::POLYNOMIAL_WORDS;
use super::lanes::{WideLanes, WideSign};
use super::{COLUMNS, LEVELS};
use crate::parameters::N;

/// One polynomial of one accumulator.
#[derive(Clone, Copy)]
pub struct Polynomial {
    pub high: *mut i64,
    pub low: *mut i32,
}

impl Polynomial {
    /// That polynomial of the accumulators at these places.
    #[inline(always)]
    pub unsafe fn of(all: Polynomial, ciphertext: usize, column: usize) -> Self {
        let at = (ciphertext * COLUMNS + column) * POLYNOMIAL_WORDS;
        unsafe { Self { high: all.high.add(at), low: all.low.add(at) } }
    }
}

#[derive(Clone, Copy)]
pub struct Digits {
    pub polynomial: Polynomial,
    pub amount: usize,
    pub signs: *const WideSign,
}

impl Digits {
    /// Coefficients j to j + 7; (X^a p)_j = +-p_(j - a), the sign is minus while j - a modulo 2N is N or more.
    #[inline(always)]
    pub unsafe fn at<L: WideLanes>(self, j: usize) -> [L::F; LEVELS] {
        let source = j.wrapping_sub(self.amount) % (2 * N);
        let Polynomial { high, low } = self.polynomial;
        unsafe {
            let rotated = (high.add(source % N).cast_const(), low.add(source % N).cast_const());
            let own = (high.add(j).cast_const(), low.add(j).cast_const());
            L::digits(rotated, own, self.signs.add(source / N))
        }
    }
}
