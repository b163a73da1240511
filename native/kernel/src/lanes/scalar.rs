//! Plain Rust: runs everywhere, and is the specification of the vector paths.

use super::{Lanes, Sign, DROPPED_BITS, LANES};

#[derive(Clone, Copy)]
pub struct Scalar;

type F = [f64; LANES];

impl Lanes for Scalar {
    const PIPELINED: bool = false;
    type F = F;

    #[inline(always)]
    unsafe fn load(from: *const f64) -> F {
        unsafe { from.cast::<F>().read() }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f64, value: F) {
        unsafe { to.cast::<F>().write(value) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const f64) -> F {
        [unsafe { *from }; LANES]
    }

    #[inline(always)]
    unsafe fn add(a: F, b: F) -> F {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    unsafe fn sub(a: F, b: F) -> F {
        std::array::from_fn(|lane| a[lane] - b[lane])
    }

    #[inline(always)]
    unsafe fn mul(a: F, b: F) -> F {
        std::array::from_fn(|lane| a[lane] * b[lane])
    }

    #[inline(always)]
    unsafe fn mul_add(a: F, b: F, c: F) -> F {
        std::array::from_fn(|lane| a[lane].mul_add(b[lane], c[lane]))
    }

    #[inline(always)]
    unsafe fn neg_mul_add(a: F, b: F, c: F) -> F {
        std::array::from_fn(|lane| (-a[lane]).mul_add(b[lane], c[lane]))
    }

    #[inline(always)]
    unsafe fn transpose(rows: &mut [F; LANES]) {
        let old = *rows;
        *rows = std::array::from_fn(|row| std::array::from_fn(|lane| old[lane][row]));
    }

    #[inline(always)]
    unsafe fn digit(rotated: *const i32, own: *const i32, sign: *const Sign) -> F {
        unsafe {
            let (rotated, own) = (rotated.cast::<[i32; LANES]>().read(), own.cast::<[i32; LANES]>().read());
            std::array::from_fn(|lane| {
                let signed = rotated[lane] ^ (*sign).flip[lane];
                let rounded = signed.wrapping_sub(own[lane]).wrapping_add((*sign).round[lane]);
                f64::from(rounded >> DROPPED_BITS)
            })
        }
    }

    #[inline(always)]
    unsafe fn accumulate(own: *mut i32, product: F) {
        for (lane, value) in product.into_iter().enumerate() {
            let word = unsafe { &mut *own.add(lane) };
            *word = word.wrapping_add(value.round_ties_even() as i64 as i32);
        }
    }

    #[inline(always)]
    unsafe fn prefetch(_line: *const u8) {}
}
