//! Plain Rust: runs everywhere, and is the specification of the vector paths.

use super::{WideLanes, WideSign, DIGIT_MASK, HIGH_DIGIT_BITS, LOW_DIGIT_BITS, LOW_MASK, ROUND, ROUND_BITS};
use crate::lanes::{Lanes, Scalar, LANES};

const HALF_BASE: i64 = 1 << 23;

impl WideLanes for Scalar {
    const MANY_REGISTERS: bool = false;

    #[inline(always)]
    unsafe fn digits(
        rotated: (*const i64, *const i32),
        own: (*const i64, *const i32),
        sign: *const WideSign,
    ) -> [Self::F; 3] {
        let mut digits = [[0.0; LANES]; 3];
        for lane in 0..LANES {
            unsafe {
                let sign = &*sign;
                let low = (*rotated.1.add(lane) ^ sign.flip_low[lane]) - *own.1.add(lane);
                let rest = i64::from((low + sign.round_low[lane]) >> 12);
                let high = (*rotated.0.add(lane) ^ sign.flip_high[lane]).wrapping_sub(*own.0.add(lane));
                let high = high.wrapping_add(sign.round_high[lane]).wrapping_add(rest >> 8);
                let parts = [
                    (high as u64 >> 40) as i64,
                    high >> 16 & DIGIT_MASK,
                    high << 8 & HIGH_DIGIT_BITS | rest & LOW_DIGIT_BITS,
                ];
                for (digits, part) in digits.iter_mut().zip(parts) {
                    digits[lane] = (part - HALF_BASE) as f64;
                }
            }
        }
        digits
    }

    #[inline(always)]
    unsafe fn add_low(own: (*mut i64, *mut i32), y: Self::F) {
        for (lane, value) in y.into_iter().enumerate() {
            let (high, low) = unsafe { (&mut *own.0.add(lane), &mut *own.1.add(lane)) };
            let sum = value.round_ties_even() as i64 + i64::from(*low);
            *high = high.wrapping_add(sum >> 20);
            *low = (sum & LOW_MASK) as i32;
        }
    }

    #[inline(always)]
    unsafe fn add_high<const SHIFT: u32>(own: *mut i64, y: Self::F) {
        for (lane, value) in y.into_iter().enumerate() {
            let rounded = ((value + ROUND).to_bits() as i64).wrapping_sub(ROUND_BITS);
            let word = unsafe { &mut *own.add(lane) };
            *word = word.wrapping_add(rounded << SHIFT);
        }
    }

    #[inline(always)]
    unsafe fn prefetch_near(line: *const u8) {
        unsafe { Self::prefetch(line) }
    }
}
