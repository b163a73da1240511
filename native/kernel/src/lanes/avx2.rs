//! Two 256-bit registers.

use core::arch::x86_64::*;

use super::{Lanes, Sign, DROPPED_BITS, LANES};

#[derive(Clone, Copy)]
pub struct Avx2;

type F = [__m256d; 2];

/// 1.5 x 2^84: adding and subtracting it rounds to a multiple of 2^32, the unit in its last place.
const ROUND_TO_2_32: f64 = 1.5 * (1u128 << 84) as f64;

impl Lanes for Avx2 {
    const PIPELINED: bool = false;
    type F = F;

    #[inline(always)]
    unsafe fn load(from: *const f64) -> F {
        unsafe { [_mm256_load_pd(from), _mm256_load_pd(from.add(4))] }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f64, value: F) {
        unsafe {
            _mm256_store_pd(to, value[0]);
            _mm256_store_pd(to.add(4), value[1]);
        }
    }

    #[inline(always)]
    unsafe fn splat(from: *const f64) -> F {
        unsafe { [_mm256_set1_pd(*from); 2] }
    }

    #[inline(always)]
    unsafe fn add(a: F, b: F) -> F {
        unsafe { [_mm256_add_pd(a[0], b[0]), _mm256_add_pd(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn sub(a: F, b: F) -> F {
        unsafe { [_mm256_sub_pd(a[0], b[0]), _mm256_sub_pd(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn mul(a: F, b: F) -> F {
        unsafe { [_mm256_mul_pd(a[0], b[0]), _mm256_mul_pd(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn mul_add(a: F, b: F, c: F) -> F {
        unsafe { [_mm256_fmadd_pd(a[0], b[0], c[0]), _mm256_fmadd_pd(a[1], b[1], c[1])] }
    }

    #[inline(always)]
    unsafe fn neg_mul_add(a: F, b: F, c: F) -> F {
        unsafe { [_mm256_fnmadd_pd(a[0], b[0], c[0]), _mm256_fnmadd_pd(a[1], b[1], c[1])] }
    }

    #[inline(always)]
    unsafe fn transpose(rows: &mut [F; LANES]) {
        let [r0, r1, r2, r3, r4, r5, r6, r7] = *rows;
        unsafe {
            // four squares of 4 x 4; those off the diagonal change places
            let [a0, a1, a2, a3] = transpose_square(r0[0], r1[0], r2[0], r3[0]);
            let [b0, b1, b2, b3] = transpose_square(r0[1], r1[1], r2[1], r3[1]);
            let [c0, c1, c2, c3] = transpose_square(r4[0], r5[0], r6[0], r7[0]);
            let [d0, d1, d2, d3] = transpose_square(r4[1], r5[1], r6[1], r7[1]);
            *rows = [[a0, c0], [a1, c1], [a2, c2], [a3, c3], [b0, d0], [b1, d1], [b2, d2], [b3, d3]];
        }
    }

    #[inline(always)]
    unsafe fn digit(rotated: *const i32, own: *const i32, sign: *const Sign) -> F {
        unsafe {
            let flip = _mm256_load_si256((&raw const (*sign).flip).cast());
            let round = _mm256_load_si256((&raw const (*sign).round).cast());
            let signed = _mm256_xor_si256(_mm256_loadu_si256(rotated.cast()), flip);
            let rounded = _mm256_add_epi32(_mm256_sub_epi32(signed, _mm256_load_si256(own.cast())), round);
            let digit = _mm256_srai_epi32::<DROPPED_BITS>(rounded);
            let (low, high) = (_mm256_castsi256_si128(digit), _mm256_extracti128_si256::<1>(digit));
            [_mm256_cvtepi32_pd(low), _mm256_cvtepi32_pd(high)]
        }
    }

    #[inline(always)]
    unsafe fn accumulate(own: *mut i32, product: F) {
        unsafe {
            let words = _mm256_set_m128i(low_word(product[1]), low_word(product[0]));
            _mm256_store_si256(own.cast(), _mm256_add_epi32(_mm256_load_si256(own.cast()), words));
        }
    }

    #[inline(always)]
    unsafe fn prefetch(line: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.cast()) }
    }
}

#[inline(always)]
unsafe fn transpose_square(r0: __m256d, r1: __m256d, r2: __m256d, r3: __m256d) -> [__m256d; 4] {
    unsafe {
        let (l01, h01) = (_mm256_unpacklo_pd(r0, r1), _mm256_unpackhi_pd(r0, r1));
        let (l23, h23) = (_mm256_unpacklo_pd(r2, r3), _mm256_unpackhi_pd(r2, r3));
        [
            _mm256_permute2f128_pd::<0x20>(l01, l23),
            _mm256_permute2f128_pd::<0x20>(h01, h23),
            _mm256_permute2f128_pd::<0x31>(l01, l23),
            _mm256_permute2f128_pd::<0x31>(h01, h23),
        ]
    }
}

/// rint(value) modulo 2^32. The rest after the multiple of 2^32 is exact and at most 2^31; 2^31 itself converts
/// to 0x80000000, which is the right word.
#[inline(always)]
unsafe fn low_word(value: __m256d) -> __m128i {
    unsafe {
        let round = _mm256_set1_pd(ROUND_TO_2_32);
        let multiple = _mm256_sub_pd(_mm256_add_pd(value, round), round);
        _mm256_cvtpd_epi32(_mm256_sub_pd(value, multiple))
    }
}
