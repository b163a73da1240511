//! The small transforms from which all passes are made.

use super::twiddles::Factors;
use super::Complex;
use crate::lanes::{Lanes, LANES};

/// Repeats a statement for constant indices: arrays then live in registers.
macro_rules! unroll {
    ($index:ident in [$($value:literal)+] $body:block) => {
        $( { const $index: usize = $value; $body } )+
    };
}
pub(crate) use unroll;

/// ((a+c)+(b+d), (a-c)+i(b-d), (a+c)-(b+d), (a-c)-i(b-d))
#[inline(always)]
pub unsafe fn dft4<L: Lanes>(x: [Complex<L>; 4]) -> [Complex<L>; 4] {
    unsafe {
        let [a, b, c, d] = x;
        let (even, odd, rest, turn) = (a.plus(c), b.plus(d), a.minus(c), b.minus(d));
        [even.plus(odd), rest.plus_i(turn), even.minus(odd), rest.minus_i(turn)]
    }
}

/// The transposed transform: the two turned outputs change places.
#[inline(always)]
pub unsafe fn inverse_dft4<L: Lanes>(x: [Complex<L>; 4]) -> [Complex<L>; 4] {
    let [zero, one, two, three] = unsafe { dft4(x) };
    [zero, three, two, one]
}

/// Twiddles first, then the transform.
#[inline(always)]
pub unsafe fn radix4<L: Lanes>(x: [Complex<L>; 4], w: [Complex<L>; 3]) -> [Complex<L>; 4] {
    unsafe { dft4([x[0], x[1].times(w[0]), x[2].times(w[1]), x[3].times(w[2])]) }
}

/// The transform, then conjugate twiddles: four times the inverse of `radix4`.
#[inline(always)]
pub unsafe fn inverse_radix4<L: Lanes>(x: [Complex<L>; 4], w: [Complex<L>; 3]) -> [Complex<L>; 4] {
    unsafe {
        let [a, b, c, d] = inverse_dft4(x);
        [a, b.times_conjugate(w[0]), c.times_conjugate(w[1]), d.times_conjugate(w[2])]
    }
}

#[inline(always)]
pub unsafe fn radix4_factors<L: Lanes, W: Factors>(w: W) -> [Complex<L>; 3] {
    unsafe { [w.factor(0), w.factor(1), w.factor(2)] }
}

/// 8 = 4 * 2 points over the index of the array.
#[inline(always)]
pub unsafe fn eight<L: Lanes, W: Factors>(x: &mut [Complex<L>; 8], w: W) {
    unsafe {
        unroll!(Q in [0 1] {
            let y = radix4([x[Q], x[Q + 2], x[Q + 4], x[Q + 6]], radix4_factors(w));
            [x[Q], x[Q + 2], x[Q + 4], x[Q + 6]] = y;
        });
        unroll!(K in [0 1 2 3] {
            let (a, b) = (x[2 * K], x[2 * K + 1].times(w.factor(3 + K)));
            (x[2 * K], x[2 * K + 1]) = (a.plus(b), a.minus(b));
        });
    }
}

/// Eight times the inverse of `eight`, its mirror.
#[inline(always)]
pub unsafe fn inverse_eight<L: Lanes, W: Factors>(x: &mut [Complex<L>; 8], w: W) {
    unsafe {
        unroll!(K in [0 1 2 3] {
            let (a, b) = (x[2 * K], x[2 * K + 1]);
            (x[2 * K], x[2 * K + 1]) = (a.plus(b), a.minus(b).times_conjugate(w.factor(3 + K)));
        });
        unroll!(Q in [0 1] {
            let y = inverse_radix4([x[Q], x[Q + 2], x[Q + 4], x[Q + 6]], radix4_factors(w));
            [x[Q], x[Q + 2], x[Q + 4], x[Q + 6]] = y;
        });
    }
}

/// Vector index and lane change places.
#[inline(always)]
pub unsafe fn transpose<L: Lanes>(x: &mut [Complex<L>; 8]) {
    unsafe {
        let mut re: [L::F; LANES] = [x[0].re, x[1].re, x[2].re, x[3].re, x[4].re, x[5].re, x[6].re, x[7].re];
        let mut im: [L::F; LANES] = [x[0].im, x[1].im, x[2].im, x[3].im, x[4].im, x[5].im, x[6].im, x[7].im];
        L::transpose(&mut re);
        L::transpose(&mut im);
        unroll!(K in [0 1 2 3 4 5 6 7] {
            x[K] = Complex { re: re[K], im: im[K] };
        });
    }
}
