//! Digits of 61 bits times key words of 128 bits, exactly modulo 2^128, summed over a chunk of inputs.

use super::packing::{CHUNK_INPUTS, GROUP, ROW_WORDS};
use crate::lanes::LANES;
use crate::path::Path;

/// A digit as its low 52 bits and the rest, which is how 52-bit multipliers take it.
pub type Digit = [u64; 2];
pub const DIGIT_LOW_BITS: u32 = 52;

/// Sums of a group for eight columns: `[ciphertext][column]`.
pub type Sums = [[u128; LANES]; GROUP];

/// sum over the inputs of a chunk of digit x key word; `key`: `[input][low 8, high 8]`, `digits`: `[input][ciphertext]`.
pub fn products(key: &[u64], digits: &[[Digit; GROUP]], count: usize, path: Path) -> Sums {
    debug_assert!(key.len() == CHUNK_INPUTS * ROW_WORDS && digits.len() == CHUNK_INPUTS && count <= GROUP);
    #[cfg(target_arch = "x86_64")]
    if path == Path::Avx512 && is_x86_feature_detected!("avx512ifma") {
        return unsafe { wide::products(key, digits) };
    }
    let _ = path;
    portable(key, digits, count)
}

fn portable(key: &[u64], digits: &[[Digit; GROUP]], count: usize) -> Sums {
    let mut sums = [[0u128; LANES]; GROUP];
    for (row, digits) in key.chunks_exact(ROW_WORDS).zip(digits) {
        for (sums, digit) in sums.iter_mut().zip(digits).take(count) {
            let digit = u128::from(digit[0] | digit[1] << DIGIT_LOW_BITS);
            for (lane, sum) in sums.iter_mut().enumerate() {
                let word = u128::from(row[lane]) | u128::from(row[LANES + lane]) << 64;
                *sum = sum.wrapping_add(digit.wrapping_mul(word));
            }
        }
    }
    sums
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use core::arch::x86_64::*;

    use super::{Digit, Sums, DIGIT_LOW_BITS};
    use crate::lanes::LANES;
    use crate::squash::packing::{CHUNK_INPUTS, GROUP, ROW_WORDS};

    /// Sums of the weights 2^0, 2^52 and 2^104.
    type Parts = [[__m512i; GROUP]; 3];

    /// Products of 52 x 52 bits, added in 64 bits: a sum of weight 2^52 gets three of them for an input, so 1365
    /// inputs fit; what overflows at 2^104 is above 2^128.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub unsafe fn products(key: &[u64], digits: &[[Digit; GROUP]]) -> Sums {
        let mut parts: Parts = [[_mm512_setzero_si512(); GROUP]; 3];
        for input in 0..CHUNK_INPUTS {
            let row = unsafe { key.as_ptr().add(ROW_WORDS * input) };
            let low = unsafe { _mm512_loadu_si512(row.cast()) };
            let high = unsafe { _mm512_loadu_si512(row.add(LANES).cast()) };
            // the multiplier ignores bits from 52 up
            let middle = _mm512_or_si512(_mm512_srli_epi64::<52>(low), _mm512_slli_epi64::<12>(high));
            let top = _mm512_srli_epi64::<40>(high);
            let digits = unsafe { digits.get_unchecked(input) };
            for (place, digit) in digits.iter().enumerate() {
                let (d, e) = (_mm512_set1_epi64(digit[0] as i64), _mm512_set1_epi64(digit[1] as i64));
                let [p, q, r] = [parts[0][place], parts[1][place], parts[2][place]];
                parts[0][place] = _mm512_madd52lo_epu64(p, d, low);
                let q = _mm512_madd52hi_epu64(q, d, low);
                let r = _mm512_madd52hi_epu64(r, d, middle);
                let q = _mm512_madd52lo_epu64(q, d, middle);
                let r = _mm512_madd52lo_epu64(r, d, top);
                parts[1][place] = _mm512_madd52lo_epu64(q, e, low);
                let r = _mm512_madd52hi_epu64(r, e, low);
                parts[2][place] = _mm512_madd52lo_epu64(r, e, middle);
            }
        }
        joined(&parts)
    }

    fn joined(parts: &Parts) -> Sums {
        let mut sums = [[0u128; LANES]; GROUP];
        for (weight, parts) in parts.iter().enumerate() {
            for (sums, part) in sums.iter_mut().zip(parts) {
                let words: [u64; LANES] = unsafe { std::mem::transmute(*part) };
                for (sum, word) in sums.iter_mut().zip(words) {
                    *sum = sum.wrapping_add(u128::from(word) << (weight as u32 * DIGIT_LOW_BITS));
                }
            }
        }
        sums
    }

    const _: () = assert!(3 * CHUNK_INPUTS <= 1 << 12);
}
