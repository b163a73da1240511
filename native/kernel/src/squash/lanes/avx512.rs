//! One 512-bit register for eight high parts, one 256-bit register for eight low parts.

use core::arch::x86_64::*;

use super::{WideLanes, WideSign, DIGIT_BIAS, DIGIT_MASK, HIGH_DIGIT_BITS, LOW_DIGIT_BITS, LOW_MASK};
use super::{ROUND, ROUND_BITS, UNSIGNED_BITS};
use crate::lanes::Avx512;

/// a & b | c
const AND_OR: i32 = 0xea;
/// The lowest set bit of ROUND_BITS: from here on a shift removes all of them.
const ROUND_LOWEST_BIT: u32 = 51;

impl WideLanes for Avx512 {
    const MANY_REGISTERS: bool = true;

    #[inline(always)]
    unsafe fn digits(
        rotated: (*const i64, *const i32),
        own: (*const i64, *const i32),
        sign: *const WideSign,
    ) -> [__m512d; 3] {
        unsafe {
            let sign = &*sign;
            let low = _mm256_loadu_si256(rotated.1.cast());
            let low = _mm256_xor_si256(low, _mm256_load_si256(sign.flip_low.as_ptr().cast()));
            let low = _mm256_sub_epi32(low, _mm256_load_si256(own.1.cast()));
            let low = _mm256_add_epi32(low, _mm256_load_si256(sign.round_low.as_ptr().cast()));
            let rest = _mm512_cvtepi32_epi64(_mm256_srai_epi32::<12>(low));
            let high = _mm512_loadu_si512(rotated.0.cast());
            let high = _mm512_xor_si512(high, _mm512_load_si512(sign.flip_high.as_ptr().cast()));
            let high = _mm512_sub_epi64(high, _mm512_load_si512(own.0.cast()));
            let high = _mm512_add_epi64(high, _mm512_load_si512(sign.round_high.as_ptr().cast()));
            let high = _mm512_add_epi64(high, _mm512_srai_epi64::<8>(rest));
            let (bits, bias) = (_mm512_set1_epi64(UNSIGNED_BITS), _mm512_set1_pd(DIGIT_BIAS));
            let (digit, upper) = (_mm512_set1_epi64(DIGIT_MASK), _mm512_set1_epi64(HIGH_DIGIT_BITS));
            let first = _mm512_or_si512(_mm512_srli_epi64::<40>(high), bits);
            let second = _mm512_ternarylogic_epi64::<AND_OR>(_mm512_srli_epi64::<16>(high), digit, bits);
            let third = _mm512_ternarylogic_epi64::<AND_OR>(_mm512_slli_epi64::<8>(high), upper, bits);
            let third =
                _mm512_ternarylogic_epi64::<AND_OR>(rest, _mm512_set1_epi64(LOW_DIGIT_BITS), third);
            [
                _mm512_sub_pd(_mm512_castsi512_pd(first), bias),
                _mm512_sub_pd(_mm512_castsi512_pd(second), bias),
                _mm512_sub_pd(_mm512_castsi512_pd(third), bias),
            ]
        }
    }

    #[inline(always)]
    unsafe fn add_low(own: (*mut i64, *mut i32), y: __m512d) {
        unsafe {
            let low = _mm512_cvtepi32_epi64(_mm256_load_si256(own.1.cast()));
            let sum = _mm512_add_epi64(_mm512_cvtpd_epi64(y), low);
            let high = _mm512_load_si512(own.0.cast());
            _mm512_store_si512(own.0.cast(), _mm512_add_epi64(high, _mm512_srai_epi64::<20>(sum)));
            let low = _mm512_and_si512(sum, _mm512_set1_epi64(LOW_MASK));
            _mm256_store_si256(own.1.cast(), _mm512_cvtepi64_epi32(low));
        }
    }

    #[inline(always)]
    unsafe fn add_high<const SHIFT: u32>(own: *mut i64, y: __m512d) {
        unsafe {
            let mut rounded = _mm512_castpd_si512(_mm512_add_pd(y, _mm512_set1_pd(ROUND)));
            if SHIFT + ROUND_LOWEST_BIT < u64::BITS {
                rounded = _mm512_sub_epi64(rounded, _mm512_set1_epi64(ROUND_BITS));
            }
            let high = _mm512_load_si512(own.cast());
            _mm512_store_si512(own.cast(), _mm512_add_epi64(high, _mm512_slli_epi64::<SHIFT>(rounded)));
        }
    }

    #[inline(always)]
    unsafe fn prefetch_near(line: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) }
    }
}
