//! One 512-bit register.

use core::arch::x86_64::*;

use super::{Lanes, Sign, DROPPED_BITS, LANES};

#[derive(Clone, Copy)]
pub struct Avx512;

/// Blocks of two lanes: the even ones of both operands, or the odd ones.
const EVEN: i32 = 0x88;
const ODD: i32 = 0xdd;

impl Lanes for Avx512 {
    const PIPELINED: bool = true;
    type F = __m512d;

    #[inline(always)]
    unsafe fn load(from: *const f64) -> __m512d {
        unsafe { _mm512_load_pd(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f64, value: __m512d) {
        unsafe { _mm512_store_pd(to, value) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const f64) -> __m512d {
        unsafe { _mm512_set1_pd(*from) }
    }

    #[inline(always)]
    unsafe fn add(a: __m512d, b: __m512d) -> __m512d {
        unsafe { _mm512_add_pd(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m512d, b: __m512d) -> __m512d {
        unsafe { _mm512_sub_pd(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m512d, b: __m512d) -> __m512d {
        unsafe { _mm512_mul_pd(a, b) }
    }

    #[inline(always)]
    unsafe fn mul_add(a: __m512d, b: __m512d, c: __m512d) -> __m512d {
        unsafe { _mm512_fmadd_pd(a, b, c) }
    }

    #[inline(always)]
    unsafe fn neg_mul_add(a: __m512d, b: __m512d, c: __m512d) -> __m512d {
        unsafe { _mm512_fnmadd_pd(a, b, c) }
    }

    #[inline(always)]
    unsafe fn transpose(rows: &mut [__m512d; LANES]) {
        unsafe {
            let [r0, r1, r2, r3, r4, r5, r6, r7] = *rows;
            // pairs of rows: even lanes in `l`, odd lanes in `h`
            let (l01, h01) = (_mm512_unpacklo_pd(r0, r1), _mm512_unpackhi_pd(r0, r1));
            let (l23, h23) = (_mm512_unpacklo_pd(r2, r3), _mm512_unpackhi_pd(r2, r3));
            let (l45, h45) = (_mm512_unpacklo_pd(r4, r5), _mm512_unpackhi_pd(r4, r5));
            let (l67, h67) = (_mm512_unpacklo_pd(r6, r7), _mm512_unpackhi_pd(r6, r7));
            // fours of rows: lanes 0 and 4, 1 and 5, 2 and 6, 3 and 7
            let (a04, a26) = (_mm512_shuffle_f64x2::<EVEN>(l01, l23), _mm512_shuffle_f64x2::<ODD>(l01, l23));
            let (a15, a37) = (_mm512_shuffle_f64x2::<EVEN>(h01, h23), _mm512_shuffle_f64x2::<ODD>(h01, h23));
            let (b04, b26) = (_mm512_shuffle_f64x2::<EVEN>(l45, l67), _mm512_shuffle_f64x2::<ODD>(l45, l67));
            let (b15, b37) = (_mm512_shuffle_f64x2::<EVEN>(h45, h67), _mm512_shuffle_f64x2::<ODD>(h45, h67));
            *rows = [
                _mm512_shuffle_f64x2::<EVEN>(a04, b04),
                _mm512_shuffle_f64x2::<EVEN>(a15, b15),
                _mm512_shuffle_f64x2::<EVEN>(a26, b26),
                _mm512_shuffle_f64x2::<EVEN>(a37, b37),
                _mm512_shuffle_f64x2::<ODD>(a04, b04),
                _mm512_shuffle_f64x2::<ODD>(a15, b15),
                _mm512_shuffle_f64x2::<ODD>(a26, b26),
                _mm512_shuffle_f64x2::<ODD>(a37, b37),
            ];
        }
    }

    #[inline(always)]
    unsafe fn digit(rotated: *const i32, own: *const i32, sign: *const Sign) -> __m512d {
        unsafe {
            let flip = _mm256_load_si256((&raw const (*sign).flip).cast());
            let round = _mm256_load_si256((&raw const (*sign).round).cast());
            let signed = _mm256_xor_si256(_mm256_loadu_si256(rotated.cast()), flip);
            let rounded = _mm256_add_epi32(_mm256_sub_epi32(signed, _mm256_load_si256(own.cast())), round);
            _mm512_cvtepi32_pd(_mm256_srai_epi32::<DROPPED_BITS>(rounded))
        }
    }

    #[inline(always)]
    unsafe fn accumulate(own: *mut i32, product: __m512d) {
        unsafe {
            let words = _mm512_cvtepi64_epi32(_mm512_cvtpd_epi64(product));
            _mm256_store_si256(own.cast(), _mm256_add_epi32(_mm256_load_si256(own.cast()), words));
        }
    }

    #[inline(always)]
    unsafe fn prefetch(line: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.cast()) }
    }
}
