//! Eight complex numbers, and the one order of operations in which they are multiplied.

use crate::lanes::{Lanes, LANES};

/// f64 of a stored vector: eight real parts, eight imaginary parts.
pub const VECTOR_F64: usize = 2 * LANES;

#[derive(Clone, Copy)]
pub struct Complex<L: Lanes> {
    pub re: L::F,
    pub im: L::F,
}

impl<L: Lanes> Complex<L> {
    /// # Safety
    /// As `Lanes`: compiled for the instruction set, a whole vector on a 64-byte boundary.
    #[inline(always)]
    pub unsafe fn load(from: *const f64) -> Self {
        unsafe { Self { re: L::load(from), im: L::load(from.add(LANES)) } }
    }

    #[inline(always)]
    pub unsafe fn store(self, to: *mut f64) {
        unsafe {
            L::store(to, self.re);
            L::store(to.add(LANES), self.im);
        }
    }

    #[inline(always)]
    pub unsafe fn plus(self, other: Self) -> Self {
        unsafe { Self { re: L::add(self.re, other.re), im: L::add(self.im, other.im) } }
    }

    #[inline(always)]
    pub unsafe fn minus(self, other: Self) -> Self {
        unsafe { Self { re: L::sub(self.re, other.re), im: L::sub(self.im, other.im) } }
    }

    /// self + i other
    #[inline(always)]
    pub unsafe fn plus_i(self, other: Self) -> Self {
        unsafe { Self { re: L::sub(self.re, other.im), im: L::add(self.im, other.re) } }
    }

    /// self - i other
    #[inline(always)]
    pub unsafe fn minus_i(self, other: Self) -> Self {
        unsafe { Self { re: L::add(self.re, other.im), im: L::sub(self.im, other.re) } }
    }

    /// self w: the products with w's real part are rounded, those with its imaginary part are fused.
    #[inline(always)]
    pub unsafe fn times(self, w: Self) -> Self {
        unsafe {
            Self {
                re: L::neg_mul_add(w.im, self.im, L::mul(w.re, self.re)),
                im: L::mul_add(w.im, self.re, L::mul(w.re, self.im)),
            }
        }
    }

    /// self times the conjugate of w, in the same order.
    #[inline(always)]
    pub unsafe fn times_conjugate(self, w: Self) -> Self {
        unsafe {
            Self {
                re: L::mul_add(w.im, self.im, L::mul(w.re, self.re)),
                im: L::neg_mul_add(w.im, self.re, L::mul(w.re, self.im)),
            }
        }
    }

    /// self k, in the order in which products with the key are made: row 0 of a sum of products.
    #[inline(always)]
    pub unsafe fn product(self, k: Self) -> Self {
        unsafe {
            Self {
                re: L::neg_mul_add(self.im, k.im, L::mul(self.re, k.re)),
                im: L::mul_add(self.im, k.re, L::mul(self.re, k.im)),
            }
        }
    }

    /// self + p k: two fused products.
    #[inline(always)]
    pub unsafe fn plus_product(self, p: Self, k: Self) -> Self {
        unsafe {
            Self {
                re: L::neg_mul_add(p.im, k.im, L::mul_add(p.re, k.re, self.re)),
                im: L::mul_add(p.im, k.re, L::mul_add(p.re, k.im, self.im)),
            }
        }
    }

    /// p k + q l, row 0 (p, k) first.
    #[inline(always)]
    pub unsafe fn dot(p: Self, k: Self, q: Self, l: Self) -> Self {
        unsafe { p.product(k).plus_product(q, l) }
    }
}
