//! The signed decomposition of a mask word into digits of 4 bits, by the rule of TFHE-rs: equal digits make equal
//! words.

use crate::parameters::{KEYSWITCH_BASE_LOG, MAX_LEVELS};

/// The digits of a word, least significant first, in [-8, 8]; unused levels are zero.
pub type Digits = [i8; MAX_LEVELS];

const BASE: i32 = 1 << KEYSWITCH_BASE_LOG;

/// Which way a word exactly between the largest positive and the largest negative value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    /// Down if rounding took it there: the keyswitch between LWE keys.
    Rounded,
    /// Always up: the packing keyswitch, which rounds first and decomposes a word without a rest.
    Positive,
}

/// word = sum of digit_l 2^(64 - 4 (levels - l)), up to the rounding to 4 x levels bits.
#[inline]
pub fn decompose(word: u64, levels: usize, tie: Tie) -> Digits {
    let bits = KEYSWITCH_BASE_LOG * levels as u32;
    let mut rest = balanced(word, bits, tie);
    let mut digits = [0; MAX_LEVELS];
    for digit in &mut digits[..levels] {
        let low = rest & (BASE - 1);
        rest >>= KEYSWITCH_BASE_LOG;
        // above one half carries; exactly one half carries if the remaining value is odd in its bit 3
        let carry = ((low - 1) | rest) & low & (BASE / 2) != 0;
        rest += i32::from(carry);
        *digit = (low - if carry { BASE } else { 0 }) as i8;
    }
    digits
}

/// The only digit of a word, of at most 30 bits, in [-half, half]: nothing stands above it that could take a carry.
#[inline]
pub fn single(word: u64, bits: u32) -> i32 {
    balanced(word, bits, Tie::Rounded)
}

/// The upper `bits` bits, half rounded up, as a signed number in [-half, half].
#[inline]
fn balanced(word: u64, bits: u32, tie: Tie) -> i32 {
    let (half, full) = (1i32 << (bits - 1), 1i32 << bits);
    let with_round_bit = word >> (u64::BITS - bits - 1);
    let rounded = ((with_round_bit + 1) >> 1) as i32 & (full - 1);
    let rounded_to_half = rounded == half && with_round_bit & 1 == 1 && tie == Tie::Rounded;
    if rounded > half || rounded_to_half {
        return rounded - full;
    }
    rounded
}
