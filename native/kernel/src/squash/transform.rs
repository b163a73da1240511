//! The stages of `fourier` over padded rows: forward from digits, inverse into the accumulator.

use super::digits::{Digits, Polynomial};
use super::lanes::WideLanes;
use super::{LEVELS, ROW_F64, WORK_F64};
use crate::fourier::{forward_across, forward_second_rows, forward_within, inverse_across, inverse_within};
use crate::fourier::{inverse_radix4, inverse_second_rows, load4, radix4, radix4_factors, store4, unroll};
use crate::fourier::{Complex, Twiddles, BLOCKS, BLOCK_F64, BLOCK_VECTORS, FOUR_ROWS, ROW_COEFFICIENTS};
use crate::fourier::VECTOR_F64;
use crate::lanes::{Lanes, LANES};
use crate::parameters::HALF;

const FOUR_ROWS_F64: usize = 4 * ROW_F64;

/// The first stage of the three digit polynomials of one polynomial, to `work`: 3 x WORK_F64.
#[inline(always)]
pub unsafe fn digit_rows<L: WideLanes>(source: Digits, work: *mut f64, twiddles: &Twiddles) {
    unsafe {
        for row in 0..4 {
            for vector in 0..BLOCK_VECTORS {
                let first = ROW_COEFFICIENTS * row + LANES * vector;
                let re = [
                    source.at::<L>(first),
                    source.at::<L>(first + FOUR_ROWS),
                    source.at::<L>(first + 2 * FOUR_ROWS),
                    source.at::<L>(first + 3 * FOUR_ROWS),
                ];
                let im = [
                    source.at::<L>(first + HALF),
                    source.at::<L>(first + FOUR_ROWS + HALF),
                    source.at::<L>(first + 2 * FOUR_ROWS + HALF),
                    source.at::<L>(first + 3 * FOUR_ROWS + HALF),
                ];
                let to = work.add(ROW_F64 * row + VECTOR_F64 * vector);
                unroll!(D in [0 1 2] {
                    let x: [Complex<L>; 4] = [
                        Complex { re: re[0][D], im: im[0][D] },
                        Complex { re: re[1][D], im: im[1][D] },
                        Complex { re: re[2][D], im: im[2][D] },
                        Complex { re: re[3][D], im: im[3][D] },
                    ];
                    let w = radix4_factors(twiddles.first_rows());
                    store4(radix4(x, w), to.add(WORK_F64 * D), FOUR_ROWS_F64);
                });
            }
        }
    }
}

/// The first stage of a polynomial of numbers: the same operations, for keys.
#[inline(always)]
pub unsafe fn number_rows<L: Lanes>(numbers: *const f64, work: *mut f64, twiddles: &Twiddles) {
    unsafe {
        let w = radix4_factors::<L, _>(twiddles.first_rows());
        for row in 0..4 {
            for vector in 0..BLOCK_VECTORS {
                let from = numbers.add(ROW_COEFFICIENTS * row + LANES * vector);
                let x = [
                    point(from),
                    point(from.add(FOUR_ROWS)),
                    point(from.add(2 * FOUR_ROWS)),
                    point(from.add(3 * FOUR_ROWS)),
                ];
                store4(radix4(x, w), work.add(ROW_F64 * row + VECTOR_F64 * vector), FOUR_ROWS_F64);
            }
        }
    }
}

#[inline(always)]
unsafe fn point<L: Lanes>(from: *const f64) -> Complex<L> {
    unsafe { Complex { re: L::load(from), im: L::load(from.add(HALF)) } }
}

/// Everything behind the first stage, to a slot of `[vector 128][re, im]`. Neighbouring pieces belong to different
/// blocks, so that their chains of operations overlap in the processor.
#[inline(always)]
pub unsafe fn finish_forward<L: Lanes>(work: *mut f64, slot: *mut f64, twiddles: &Twiddles) {
    unsafe {
        forward_second_rows::<L, ROW_F64>(work, twiddles);
        for beat in 0..BLOCKS + 1 {
            if beat < BLOCKS {
                forward_across::<L>(work.add(ROW_F64 * beat), twiddles, beat);
            }
            if beat > 0 {
                let block = beat - 1;
                forward_within::<L>(work.add(ROW_F64 * block), slot.add(BLOCK_F64 * block), twiddles, block);
            }
        }
    }
}

/// All inverse stages but the last, from a slot to `work`.
#[inline(always)]
pub unsafe fn begin_inverse<L: Lanes>(slot: *const f64, work: *mut f64, twiddles: &Twiddles) {
    unsafe {
        for beat in 0..BLOCKS + 1 {
            if beat < BLOCKS {
                inverse_within::<L>(slot.add(BLOCK_F64 * beat), work.add(ROW_F64 * beat), twiddles, beat);
            }
            if beat > 0 {
                let at = work.add(ROW_F64 * (beat - 1));
                inverse_across::<L>(at, at, twiddles, beat - 1);
            }
        }
        inverse_second_rows::<L, ROW_F64>(work, twiddles);
    }
}

/// The last inverse stage of a limb, rounded and added to the accumulator at the limb's weight.
#[inline(always)]
pub unsafe fn accumulate_limb<L: WideLanes, const LIMB: usize>(
    work: *const f64,
    own: Polynomial,
    twiddles: &Twiddles,
) {
    unsafe {
        let w = radix4_factors::<L, _>(twiddles.first_rows());
        for row in 0..4 {
            for vector in 0..BLOCK_VECTORS {
                let from = work.add(ROW_F64 * row + VECTOR_F64 * vector);
                let y = inverse_radix4(load4::<L>(from, FOUR_ROWS_F64), w);
                let first = ROW_COEFFICIENTS * row + LANES * vector;
                unroll!(K in [0 1 2 3] {
                    add::<L, LIMB>(own, first + FOUR_ROWS * K, y[K].re);
                    add::<L, LIMB>(own, first + FOUR_ROWS * K + HALF, y[K].im);
                });
            }
        }
    }
}

/// Limb 0 has the weight 2^44, limb l > 0 the weight 2^(74 + 18 (l - 1)).
#[inline(always)]
unsafe fn add<L: WideLanes, const LIMB: usize>(own: Polynomial, j: usize, y: L::F) {
    unsafe {
        let high = own.high.add(j);
        match LIMB {
            0 => L::add_low((high, own.low.add(j)), y),
            1 => L::add_high::<10>(high, y),
            2 => L::add_high::<28>(high, y),
            _ => L::add_high::<46>(high, y),
        }
    }
}

const _: () = assert!(LEVELS == 3);
