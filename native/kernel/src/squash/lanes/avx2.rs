//! Two 256-bit registers for eight high parts, one for eight low parts.

use core::arch::x86_64::*;

use super::{WideLanes, WideSign, DIGIT_BIAS, DIGIT_MASK, HIGH_DIGIT_BITS, LOW_DIGIT_BITS, LOW_MASK};
use super::{ROUND, ROUND_BITS, UNSIGNED_BITS};
use crate::lanes::Avx2;

const TWO_32: f64 = (1u64 << 32) as f64;

impl WideLanes for Avx2 {
    const MANY_REGISTERS: bool = false;

    #[inline(always)]
    unsafe fn digits(
        rotated: (*const i64, *const i32),
        own: (*const i64, *const i32),
        sign: *const WideSign,
    ) -> [Self::F; 3] {
        unsafe {
            let sign = &*sign;
            let low = _mm256_loadu_si256(rotated.1.cast());
            let low = _mm256_xor_si256(low, _mm256_load_si256(sign.flip_low.as_ptr().cast()));
            let low = _mm256_sub_epi32(low, _mm256_load_si256(own.1.cast()));
            let low = _mm256_add_epi32(low, _mm256_load_si256(sign.round_low.as_ptr().cast()));
            let rest = _mm256_srai_epi32::<12>(low);
            let carry = _mm256_srai_epi32::<8>(rest);
            let first = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(rest));
            let second = _mm256_cvtepi32_epi64(_mm256_extracti128_si256::<1>(rest));
            let carries = [
                _mm256_cvtepi32_epi64(_mm256_castsi256_si128(carry)),
                _mm256_cvtepi32_epi64(_mm256_extracti128_si256::<1>(carry)),
            ];
            let [a0, b0, c0] = cut(high_part(rotated.0, own.0, sign, carries[0]), first);
            let [a1, b1, c1] = cut(high_part(rotated.0.add(4), own.0.add(4), sign, carries[1]), second);
            [[a0, a1], [b0, b1], [c0, c1]]
        }
    }

    #[inline(always)]
    unsafe fn add_low(own: (*mut i64, *mut i32), y: Self::F) {
        unsafe {
            let first = add_low_half(own.0, own.1, y[0]);
            let second = add_low_half(own.0.add(4), own.1.add(4), y[1]);
            // the lower halves of eight 64-bit lanes, then the pairs in order again
            let halves = _mm256_shuffle_ps::<0x88>(_mm256_castsi256_ps(first), _mm256_castsi256_ps(second));
            let ordered = _mm256_permute4x64_epi64::<0xd8>(_mm256_castps_si256(halves));
            _mm256_store_si256(own.1.cast(), ordered);
        }
    }

    #[inline(always)]
    unsafe fn add_high<const SHIFT: u32>(own: *mut i64, y: Self::F) {
        unsafe {
            let shift = _mm_cvtsi32_si128(SHIFT as i32);
            for (half, y) in y.into_iter().enumerate() {
                let to = own.add(4 * half).cast();
                let shifted = _mm256_sll_epi64(integer(y), shift);
                _mm256_store_si256(to, _mm256_add_epi64(_mm256_load_si256(to), shifted));
            }
        }
    }

    #[inline(always)]
    unsafe fn prefetch_near(line: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) }
    }
}

#[inline(always)]
unsafe fn high_part(rotated: *const i64, own: *const i64, sign: &WideSign, carry: __m256i) -> __m256i {
    unsafe {
        let high = _mm256_loadu_si256(rotated.cast());
        let high = _mm256_xor_si256(high, _mm256_load_si256(sign.flip_high.as_ptr().cast()));
        let high = _mm256_sub_epi64(high, _mm256_load_si256(own.cast()));
        let high = _mm256_add_epi64(high, _mm256_load_si256(sign.round_high.as_ptr().cast()));
        _mm256_add_epi64(high, carry)
    }
}

/// The three digits of four words.
#[inline(always)]
unsafe fn cut(high: __m256i, rest: __m256i) -> [__m256d; 3] {
    unsafe {
        let bits = _mm256_set1_epi64x(UNSIGNED_BITS);
        let first = _mm256_or_si256(_mm256_srli_epi64::<40>(high), bits);
        let second = _mm256_and_si256(_mm256_srli_epi64::<16>(high), _mm256_set1_epi64x(DIGIT_MASK));
        let third = _mm256_and_si256(_mm256_slli_epi64::<8>(high), _mm256_set1_epi64x(HIGH_DIGIT_BITS));
        let third = _mm256_or_si256(third, _mm256_and_si256(rest, _mm256_set1_epi64x(LOW_DIGIT_BITS)));
        [number(first), number(_mm256_or_si256(second, bits)), number(_mm256_or_si256(third, bits))]
    }
}

#[inline(always)]
unsafe fn number(biased: __m256i) -> __m256d {
    unsafe { _mm256_sub_pd(_mm256_castsi256_pd(biased), _mm256_set1_pd(DIGIT_BIAS)) }
}

/// rint(y) for |y| < 2^51.
#[inline(always)]
unsafe fn integer(y: __m256d) -> __m256i {
    unsafe {
        let rounded = _mm256_castpd_si256(_mm256_add_pd(y, _mm256_set1_pd(ROUND)));
        _mm256_sub_epi64(rounded, _mm256_set1_epi64x(ROUND_BITS))
    }
}

/// Adds to the high parts; gives the new low parts in 64-bit lanes.
#[inline(always)]
unsafe fn add_low_half(high: *mut i64, low: *const i32, y: __m256d) -> __m256i {
    unsafe {
        // rint(y) = top 2^32 + rint(rest), and the rest is exact
        let round = _mm256_set1_pd(ROUND);
        let top = _mm256_add_pd(_mm256_mul_pd(y, _mm256_set1_pd(1.0 / TWO_32)), round);
        let rest = _mm256_fnmadd_pd(_mm256_sub_pd(top, round), _mm256_set1_pd(TWO_32), y);
        let top = _mm256_sub_epi64(_mm256_castpd_si256(top), _mm256_set1_epi64x(ROUND_BITS));
        let rounded = _mm256_add_epi64(integer(rest), _mm256_slli_epi64::<32>(top));
        let sum = _mm256_add_epi64(rounded, _mm256_cvtepi32_epi64(_mm_load_si128(low.cast())));
        // an arithmetic shift by 20: the sign is made positive, and taken back behind the shift
        let positive = _mm256_xor_si256(sum, _mm256_set1_epi64x(i64::MIN));
        let carry = _mm256_sub_epi64(_mm256_srli_epi64::<20>(positive), _mm256_set1_epi64x(1 << 43));
        _mm256_store_si256(high.cast(), _mm256_add_epi64(_mm256_load_si256(high.cast()), carry));
        _mm256_and_si256(sum, _mm256_set1_epi64x(LOW_MASK))
    }
}
