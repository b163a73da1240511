//! The two stages over the sixteen rows, fused with what comes before them and after them.

use super::butterfly::{inverse_radix4, radix4, radix4_factors, unroll};
use super::twiddles::Twiddles;
use super::{Complex, BLOCK_F64, BLOCK_VECTORS, VECTOR_F64};
use crate::lanes::{Lanes, LANES};
use crate::parameters::HALF;

/// Four rows, the distance of the points of a first-stage transform.
const FOUR_ROWS_F64: usize = 4 * BLOCK_F64;
/// Coefficients of a row, and of four.
pub const ROW_COEFFICIENTS: usize = BLOCK_VECTORS * LANES;
pub const FOUR_ROWS: usize = 4 * ROW_COEFFICIENTS;

/// Where the transform reads: eight points c_j = a_j + i a_(j + N/2), from j on.
pub trait Coefficients<L: Lanes> {
    /// # Safety
    /// As `Lanes`; `first` is a multiple of eight below N/2.
    unsafe fn points(&self, first: usize) -> Complex<L>;
}

/// Coefficients through two radix-4 stages to `work`.
///
/// Two passes of four rows: sixteen rows at once would not fit the registers, and read too many streams.
#[inline(always)]
pub unsafe fn forward_rows<L: Lanes>(source: &impl Coefficients<L>, work: *mut f64, twiddles: &Twiddles) {
    unsafe {
        let w = radix4_factors::<L, _>(twiddles.first_rows());
        for row in 0..4 {
            for vector in 0..BLOCK_VECTORS {
                let first = ROW_COEFFICIENTS * row + LANES * vector;
                let x = [
                    source.points(first),
                    source.points(first + FOUR_ROWS),
                    source.points(first + 2 * FOUR_ROWS),
                    source.points(first + 3 * FOUR_ROWS),
                ];
                let to = work.add(BLOCK_F64 * row + VECTOR_F64 * vector);
                store4(radix4(x, w), to, FOUR_ROWS_F64);
            }
        }
        forward_second_rows::<L, BLOCK_F64>(work, twiddles);
    }
}

/// The second forward stage, in place; rows lie `ROW` f64 apart.
#[inline(always)]
pub unsafe fn forward_second_rows<L: Lanes, const ROW: usize>(work: *mut f64, twiddles: &Twiddles) {
    unsafe {
        for child in 0..4 {
            let w = radix4_factors::<L, _>(twiddles.second_rows(child));
            for vector in 0..BLOCK_VECTORS {
                let at = work.add(4 * ROW * child + VECTOR_F64 * vector);
                store4(radix4(load4(at, ROW), w), at, ROW);
            }
        }
    }
}

/// The first inverse stage over rows, its mirror.
#[inline(always)]
pub unsafe fn inverse_second_rows<L: Lanes, const ROW: usize>(work: *mut f64, twiddles: &Twiddles) {
    unsafe {
        for child in 0..4 {
            let w = radix4_factors::<L, _>(twiddles.second_rows(child));
            for vector in 0..BLOCK_VECTORS {
                let at = work.add(4 * ROW * child + VECTOR_F64 * vector);
                store4(inverse_radix4(load4::<L>(at, ROW), w), at, ROW);
            }
        }
    }
}

/// Two inverse stages, then `accumulator += rint(result)` modulo 2^32 for all N coefficients.
#[inline(always)]
pub unsafe fn accumulate_rows<L: Lanes>(work: *mut f64, accumulator: *mut i32, twiddles: &Twiddles) {
    unsafe {
        inverse_second_rows::<L, BLOCK_F64>(work, twiddles);
        let w = radix4_factors::<L, _>(twiddles.first_rows());
        for row in 0..4 {
            for vector in 0..BLOCK_VECTORS {
                let at = work.add(BLOCK_F64 * row + VECTOR_F64 * vector);
                let y = inverse_radix4(load4::<L>(at, FOUR_ROWS_F64), w);
                let own = accumulator.add(ROW_COEFFICIENTS * row + LANES * vector);
                unroll!(K in [0 1 2 3] {
                    L::accumulate(own.add(FOUR_ROWS * K), y[K].re);
                    L::accumulate(own.add(FOUR_ROWS * K + HALF), y[K].im);
                });
            }
        }
    }
}

#[inline(always)]
pub unsafe fn load4<L: Lanes>(from: *const f64, stride: usize) -> [Complex<L>; 4] {
    unsafe {
        [
            Complex::load(from),
            Complex::load(from.add(stride)),
            Complex::load(from.add(2 * stride)),
            Complex::load(from.add(3 * stride)),
        ]
    }
}

#[inline(always)]
pub unsafe fn store4<L: Lanes>(x: [Complex<L>; 4], to: *mut f64, stride: usize) {
    unsafe {
        unroll!(K in [0 1 2 3] { x[K].store(to.add(K * stride)); });
    }
}
