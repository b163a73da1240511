//! The product with one key step at one vector of frequencies: nine digit polynomials to twelve sums, in place.

use super::lanes::WideLanes;
use super::{LIMBS, OUTPUTS, ROWS, SLOT_F64};
use crate::fourier::{unroll, Complex, VECTOR_F64};

/// f64 of the key per row of a vector of frequencies, and per vector.
pub const KEY_ROW_F64: usize = OUTPUTS * VECTOR_F64;
pub const KEY_VECTOR_F64: usize = ROWS * KEY_ROW_F64;
/// f64 of room that `multiply` takes.
pub const SPARE_F64: usize = OUTPUTS * VECTOR_F64;

/// `area`: slots, at the vector; `key`: `[row 9][output 12][re 8, im 8]`. Sums go from row 0 to row 8.
#[inline(always)]
pub unsafe fn multiply<L: WideLanes>(area: *mut f64, key: *const f64, spare: *mut f64) {
    unsafe {
        if L::MANY_REGISTERS {
            all_at_once::<L>(area, key);
        } else {
            one_by_one::<L>(area, key, spare);
        }
    }
}

#[inline(always)]
unsafe fn all_at_once<L: WideLanes>(area: *mut f64, key: *const f64) {
    unsafe {
        let p = Complex::<L>::load(area);
        let mut sums = [
            p.product(output(key, 0)),
            p.product(output(key, 1)),
            p.product(output(key, 2)),
            p.product(output(key, 3)),
            p.product(output(key, 4)),
            p.product(output(key, 5)),
            p.product(output(key, 6)),
            p.product(output(key, 7)),
            p.product(output(key, 8)),
            p.product(output(key, 9)),
            p.product(output(key, 10)),
            p.product(output(key, 11)),
        ];
        for row in 1..ROWS {
            let (p, key) = (Complex::<L>::load(area.add(SLOT_F64 * row)), key.add(KEY_ROW_F64 * row));
            unroll!(O in [0 1 2 3 4 5 6 7 8 9 10 11] {
                sums[O] = sums[O].plus_product(p, output(key, O));
            });
        }
        unroll!(O in [0 1 2 3 4 5 6 7 8 9 10 11] { sums[O].store(area.add(SLOT_F64 * O)); });
    }
}

#[inline(always)]
unsafe fn one_by_one<L: WideLanes>(area: *mut f64, key: *const f64, spare: *mut f64) {
    unsafe {
        for place in 0..OUTPUTS {
            let mut sum = Complex::<L>::load(area).product(output(key, place));
            for row in 1..ROWS {
                let p = Complex::load(area.add(SLOT_F64 * row));
                sum = sum.plus_product(p, output(key.add(KEY_ROW_F64 * row), place));
            }
            sum.store(spare.add(VECTOR_F64 * place));
        }
        for place in 0..OUTPUTS {
            Complex::<L>::load(spare.add(VECTOR_F64 * place)).store(area.add(SLOT_F64 * place));
        }
    }
}

#[inline(always)]
unsafe fn output<L: WideLanes>(key: *const f64, place: usize) -> Complex<L> {
    unsafe { Complex::load(key.add(VECTOR_F64 * place)) }
}

const _: () = assert!(LIMBS * 3 == OUTPUTS && OUTPUTS == 12);
