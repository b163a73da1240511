//! Blind rotation: accumulator times X^(sum of a_i s_i), without knowing s (Chillotti, Gama, Georgieva, Izabachene,
//! "TFHE: fast fully homomorphic encryption over the torus", 2018).
//!
//! Steps are outermost and ciphertexts inside, so the key is read from memory once per batch; one ciphertext at a
//! time within a step, so that all but the key stays in the first cache.

use crate::accumulator::{continue_negacyclic, ACCUMULATOR_WORDS, POLYNOMIAL_WORDS};
use crate::aligned::{Aligned, LINE_BYTES};
use crate::bootstrap_key::{BootstrapKey, STEP_F64};
use crate::error::{require, require_length, Outcome};
use crate::fourier::{accumulate_rows, external_product, forward_rows};
use crate::fourier::{Coefficients, Complex, Prefetch, Twiddles, BLOCKS, BLOCK_F64, POLYNOMIAL_F64};
use crate::lanes::{Lanes, Sign, SIGNS};
use crate::parameters::{COLUMNS, HALF, N};
use crate::path::{on_path, Path};

/// The order of X.
const ORDER: usize = 2 * N;
const STEP_LINES: usize = STEP_F64 * size_of::<f64>() / LINE_BYTES;
/// Pieces of a step at which the next step of the key is asked for.
const PREFETCH_PIECES: usize = COLUMNS * BLOCKS;

/// Room for one step: two transformed polynomials and a spare block, in one arena on a cache line.
pub struct Scratch(Aligned<f64>);

impl Default for Scratch {
    fn default() -> Self {
        Self(Aligned::zeroed(COLUMNS * POLYNOMIAL_F64 + BLOCK_F64))
    }
}

/// Turns every accumulator of a batch.
///
/// `accumulators`: `[batch][ACCUMULATOR_WORDS]`; `exponents`: `[batch][n + 1]` below 2N, of which the last (the
/// body's) has been used already.
pub fn blind_rotate(
    key: &BootstrapKey,
    accumulators: &mut Aligned<i32>,
    exponents: &[u16],
    scratch: &mut Scratch,
    path: Path,
) -> Outcome<()> {
    let batch = accumulators.len() / ACCUMULATOR_WORDS;
    require_length("the accumulators", accumulators.len(), batch * ACCUMULATOR_WORDS)?;
    require_length("the rotation amounts", exponents.len(), batch * (key.dimension() + 1))?;
    require(exponents.iter().all(|&amount| usize::from(amount) < ORDER), || {
        format!("a rotation amount is {ORDER} or more")
    })?;
    let work = scratch.0.as_mut_ptr();
    let accumulators = accumulators.as_mut_ptr();
    on_path!(path, rotate_batch::<_>(
        key: &BootstrapKey,
        accumulators: *mut i32,
        exponents: &[u16],
        batch: usize,
        work: *mut f64,
    ));
    Ok(())
}

#[inline(always)]
unsafe fn rotate_batch<L: Lanes>(
    key: &BootstrapKey,
    accumulators: *mut i32,
    exponents: &[u16],
    batch: usize,
    work: *mut f64,
) {
    let (dimension, steps) = (key.dimension(), key.steps().as_ptr());
    let lines = STEP_LINES.div_ceil(PREFETCH_PIECES * batch.max(1));
    for step in 0..dimension {
        let ggsw = steps.wrapping_add(STEP_F64 * step);
        let next = steps.wrapping_add(STEP_F64 * (step + 1).min(dimension - 1)).cast::<u8>();
        for ciphertext in 0..batch {
            let amount = usize::from(exponents[ciphertext * (dimension + 1) + step]);
            // X^0 - 1 = 0: the step would add exactly nothing
            if amount == 0 {
                continue;
            }
            let start = next.wrapping_add(LINE_BYTES * ciphertext * lines * PREFETCH_PIECES);
            unsafe {
                let accumulator = accumulators.add(ciphertext * ACCUMULATOR_WORDS);
                cmux::<L>(accumulator, amount, ggsw, &key.twiddles, work, Prefetch { start, lines });
            }
        }
    }
}

/// accumulator += GGSW(s) x (X^amount accumulator - accumulator): X^(amount s) times the accumulator.
#[inline(always)]
unsafe fn cmux<L: Lanes>(
    accumulator: *mut i32,
    amount: usize,
    ggsw: *const f64,
    twiddles: &Twiddles,
    work: *mut f64,
    prefetch: Prefetch,
) {
    unsafe {
        // Opaque, or the compiler replaces the loads from this table by arithmetic on the sign.
        let signs = std::hint::black_box(SIGNS.as_ptr());
        let (mask, body) = (accumulator, accumulator.add(POLYNOMIAL_WORDS));
        forward_rows::<L>(&Digits { polynomial: mask, amount, signs }, work, twiddles);
        forward_rows::<L>(&Digits { polynomial: body, amount, signs }, work.add(POLYNOMIAL_F64), twiddles);
        external_product::<L>(work, ggsw, twiddles, prefetch);
        accumulate_rows::<L>(work, mask, twiddles);
        accumulate_rows::<L>(work.add(POLYNOMIAL_F64), body, twiddles);
        continue_negacyclic(std::slice::from_raw_parts_mut(mask, POLYNOMIAL_WORDS));
        continue_negacyclic(std::slice::from_raw_parts_mut(body, POLYNOMIAL_WORDS));
    }
}

/// The upper 23 bits of the coefficients of X^amount p - p, rounded: the one digit of the decomposition.
struct Digits {
    polynomial: *const i32,
    amount: usize,
    signs: *const Sign,
}

impl Digits {
    /// (X^a p)_j = +-p_(j - a); the sign is minus while j - a modulo 2N is N or more.
    #[inline(always)]
    unsafe fn digits<L: Lanes>(&self, j: usize) -> L::F {
        let source = j.wrapping_sub(self.amount) % ORDER;
        unsafe {
            let rotated = self.polynomial.add(source % N);
            L::digit(rotated, self.polynomial.add(j), self.signs.add(source / N))
        }
    }
}

impl<L: Lanes> Coefficients<L> for Digits {
    #[inline(always)]
    unsafe fn points(&self, first: usize) -> Complex<L> {
        unsafe { Complex { re: self.digits::<L>(first), im: self.digits::<L>(first + HALF) } }
    }
}
