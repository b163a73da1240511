//! What squashing asks of the lanes beyond `crate::lanes::Lanes`: words of 84 bits in, words of 84 bits out.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod scalar;

use crate::lanes::{Lanes, LANES};

/// Adding it rounds |y| < 2^51 to an integer, in whose place its own bits are left over.
pub const ROUND: f64 = 1.5 * (1u64 << 52) as f64;
pub const ROUND_BITS: i64 = ROUND.to_bits() as i64;
/// The bits of 2^52: or-ing an integer below 2^52 into them adds it.
pub const UNSIGNED_BITS: i64 = 0x4330_0000_0000_0000;
/// 2^52 and half a base of the digits.
pub const DIGIT_BIAS: f64 = (1u64 << 52) as f64 + (1u64 << 23) as f64;

pub const DIGIT_MASK: i64 = 0xff_ffff;
/// The lowest digit has 16 bits in the high word and 8 in the low one.
pub const LOW_DIGIT_BITS: i64 = 0xff;
pub const HIGH_DIGIT_BITS: i64 = DIGIT_MASK - LOW_DIGIT_BITS;
pub const LOW_MASK: i64 = 0xf_ffff;

pub trait WideLanes: Lanes {
    /// Whether 24 sums fit the registers.
    const MANY_REGISTERS: bool;

    /// (+-rotated - own) rounded to 72 bits, as three digits in [-2^23, 2^23), most significant first; the top one
    /// wraps. `rotated` may be unaligned.
    ///
    /// # Safety
    /// As for all methods: compiled for this instruction set; eight words at each place.
    unsafe fn digits(
        rotated: (*const i64, *const i32),
        own: (*const i64, *const i32),
        sign: *const WideSign,
    ) -> [Self::F; 3];
    /// own += rint(y) 2^44, for |y| < 2^62.
    unsafe fn add_low(own: (*mut i64, *mut i32), y: Self::F);
    /// own += rint(y) 2^(64 + SHIFT), for |y| < 2^51; only the high part changes.
    unsafe fn add_high<const SHIFT: u32>(own: *mut i64, y: Self::F);
    /// Asks for a cache line in the first level.
    unsafe fn prefetch_near(line: *const u8);
}

/// How a sign and the rounding act on the parts of a word: v -> (v ^ flip) - own + round.
#[repr(C, align(64))]
pub struct WideSign {
    pub flip_high: [i64; LANES],
    pub round_high: [i64; LANES],
    pub flip_low: [i32; LANES],
    pub round_low: [i32; LANES],
}

/// Half a base for each digit: it makes all three unsigned, and is taken away again in binary64.
const UNSIGNED: i64 = (1 << 15) + (1 << 39) + (1u64 << 63) as i64;

/// Plus, then minus; -x is (x ^ -1) + 1, the 1 once in each part.
///
/// Half a unit of the lowest digit is 2048 units of the low part; it alternates with the parity of the coefficient,
/// ties up and ties down, so that the mean rounding error is zero.
pub static SIGNS: [WideSign; 2] = [
    WideSign {
        flip_high: [0; LANES],
        round_high: [UNSIGNED; LANES],
        flip_low: [0; LANES],
        round_low: [2048, 2047, 2048, 2047, 2048, 2047, 2048, 2047],
    },
    WideSign {
        flip_high: [-1; LANES],
        round_high: [UNSIGNED + 1; LANES],
        flip_low: [-1; LANES],
        round_low: [2049, 2048, 2049, 2048, 2049, 2048, 2049, 2048],
    },
];
