//! Digits of up to 32 bits times key words of 64, exactly modulo 2^64: products and sums wrap, so their order does
//! not matter.
//!
//! The key is read where it lies, row by row, and gathered into tiles that fit the second cache (the packed panels
//! of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008): its rows lie 2^14 + 8 bytes
//! apart, and a column of them would fall into few sets of the first one.

use crate::path::Path;

/// Words of a tile's row: as many registers of AVX-512 as there is room for beside eight ciphertexts.
pub const TILE_WORDS: usize = 24;
/// Rows of a tile, 48 KB of key: fewer would write the sums more often, more gain little.
pub const TILE_INPUTS: usize = 256;
/// Ciphertexts that share a pass over a tile.
pub const GROUP: usize = 8;

/// tile = columns of `rows`, `[input][columns]`, from `first` on; zeros where there are no more columns.
pub fn gather(rows: &[u64], columns: usize, first: usize, tile: &mut [u64]) {
    let count = TILE_WORDS.min(columns - first);
    for (row, words) in rows.chunks_exact(columns).zip(tile.chunks_exact_mut(TILE_WORDS)) {
        // A length that is known is copied by a few instructions, one that is not by a call.
        match row[first..].first_chunk::<TILE_WORDS>() {
            Some(whole) => {
                words.copy_from_slice(whole);
                prefetch(&row[first + TILE_WORDS..]);
            }
            None => {
                words[..count].copy_from_slice(&row[first..]);
                words[count..].fill(0);
            }
        }
    }
}

/// Asks for the words of the next tile, which are multiplied after this one: a tenth less time.
#[inline]
fn prefetch(words: &[u64]) {
    #[cfg(target_arch = "x86_64")]
    x86::prefetch(words);
    let _ = words;
}

/// sums += digits x tile, for all groups.
///
/// `tile`: `[TILE_INPUTS][TILE_WORDS]`; `digits`: `[group][TILE_INPUTS][width]`, each within 32 bits; `sums`:
/// `[group][width][TILE_WORDS]`; `width` ciphertexts per group, GROUP or 1.
pub fn add_product(tile: &[u64], digits: &[i64], width: usize, sums: &mut [u64], path: Path) {
    assert!(width == GROUP || width == 1);
    assert!(tile.len() == TILE_INPUTS * TILE_WORDS);
    assert!(digits.len() * TILE_WORDS == sums.len() * TILE_INPUTS);
    let groups = digits.chunks_exact(TILE_INPUTS * width);
    for (digits, sums) in groups.zip(sums.chunks_exact_mut(width * TILE_WORDS)) {
        add_group(tile, digits, width, sums, path);
    }
}

fn add_group(tile: &[u64], digits: &[i64], width: usize, sums: &mut [u64], path: Path) {
    #[cfg(target_arch = "x86_64")]
    match (path, width) {
        (Path::Avx512, 1) => return unsafe { x86::add_avx512::<1>(tile, digits, sums) },
        (Path::Avx512, _) => return unsafe { x86::add_avx512::<GROUP>(tile, digits, sums) },
        (Path::Avx2, 1) => return unsafe { x86::add_avx2::<1, 1, 3>(tile, digits, sums) },
        (Path::Avx2, _) => return unsafe { x86::add_avx2::<GROUP, 4, 1>(tile, digits, sums) },
        (Path::Scalar, _) => (),
    }
    let _ = path;
    add_scalar(tile, digits, width, sums);
}

fn add_scalar(tile: &[u64], digits: &[i64], width: usize, sums: &mut [u64]) {
    for (words, digits) in tile.chunks_exact(TILE_WORDS).zip(digits.chunks_exact(width)) {
        for (sums, &digit) in sums.chunks_exact_mut(TILE_WORDS).zip(digits) {
            for (sum, word) in sums.iter_mut().zip(words) {
                *sum = sum.wrapping_add(word.wrapping_mul(digit as u64));
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use core::arch::x86_64::*;

    use super::TILE_WORDS;
    use crate::lanes::LANES;

    const LINES: usize = TILE_WORDS / LANES;
    /// Words of an AVX2 register.
    const QUAD: usize = 4;

    #[inline]
    pub fn prefetch(words: &[u64]) {
        for line in 0..LINES {
            let last = words.as_ptr().wrapping_add(LANES * line + LANES - 1);
            // Only a hint, also behind the end of a row or of the key; every x86-64 has it.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(last.cast()) };
        }
    }

    /// # Safety
    /// The instruction set; `digits` with WIDTH ciphertexts per input, `sums` with as many rows.
    #[target_feature(enable = "avx512f,avx512dq")]
    pub unsafe fn add_avx512<const WIDTH: usize>(tile: &[u64], digits: &[i64], sums: &mut [u64]) {
        let mut rows = [[_mm512_setzero_si512(); LINES]; WIDTH];
        for (words, digits) in tile.as_chunks::<TILE_WORDS>().0.iter().zip(digits.as_chunks::<WIDTH>().0) {
            let mut lines = [_mm512_setzero_si512(); LINES];
            for (line, words) in lines.iter_mut().zip(words.as_chunks::<LANES>().0) {
                *line = unsafe { _mm512_loadu_si512(words.as_ptr().cast()) };
            }
            for (row, &digit) in rows.iter_mut().zip(digits) {
                let digit = _mm512_set1_epi64(digit);
                for (sum, line) in row.iter_mut().zip(lines) {
                    // On AMD one micro-operation, half the time of products of halves. On Intel it is three, and
                    // with the sum as many as two products of halves with two sums.
                    *sum = _mm512_add_epi64(*sum, _mm512_mullo_epi64(line, digit));
                }
            }
        }
        for (sums, row) in sums.as_chunks_mut::<TILE_WORDS>().0.iter_mut().zip(rows) {
            for (sums, sum) in sums.as_chunks_mut::<LANES>().0.iter_mut().zip(row) {
                let to: *mut __m512i = sums.as_mut_ptr().cast();
                unsafe { _mm512_storeu_si512(to, _mm512_add_epi64(_mm512_loadu_si512(to), sum)) };
            }
        }
    }

    /// PART ciphertexts and QUADS registers of columns at a time: there are sixteen registers.
    ///
    /// # Safety
    /// The instruction set; `digits` with WIDTH ciphertexts per input, `sums` with as many rows.
    #[target_feature(enable = "avx2")]
    pub unsafe fn add_avx2<const WIDTH: usize, const PART: usize, const QUADS: usize>(
        tile: &[u64],
        digits: &[i64],
        sums: &mut [u64],
    ) {
        for first in (0..WIDTH).step_by(PART) {
            for column in (0..TILE_WORDS).step_by(QUADS * QUAD) {
                unsafe { add_part_avx2::<WIDTH, PART, QUADS>(tile, digits, sums, first, column) };
            }
        }
    }

    /// A word is low + 2^32 high with a signed low half; both halves times a digit are products of 32 bits.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn add_part_avx2<const WIDTH: usize, const PART: usize, const QUADS: usize>(
        tile: &[u64],
        digits: &[i64],
        sums: &mut [u64],
        first: usize,
        column: usize,
    ) {
        let carry = _mm256_set1_epi64x(1 << 31);
        let mut lows = [[_mm256_setzero_si256(); QUADS]; PART];
        let mut highs = lows;
        for (words, digits) in tile.as_chunks::<TILE_WORDS>().0.iter().zip(digits.as_chunks::<WIDTH>().0) {
            for quad in 0..QUADS {
                let low = unsafe { _mm256_loadu_si256(words.as_ptr().add(column + QUAD * quad).cast()) };
                let high = _mm256_srli_epi64::<32>(_mm256_add_epi64(low, carry));
                for part in 0..PART {
                    let digit = _mm256_set1_epi32(digits[first + part] as i32);
                    // Modulo 2^32 the upper product is the same without signs, which compiles to one instruction.
                    let (below, above) = (_mm256_mul_epi32(low, digit), _mm256_mul_epu32(high, digit));
                    lows[part][quad] = _mm256_add_epi64(lows[part][quad], below);
                    highs[part][quad] = _mm256_add_epi64(highs[part][quad], above);
                }
            }
        }
        // A compiler that saw the shift below would put three products of its own for the upper one.
        let highs = std::hint::black_box(highs);
        for part in 0..PART {
            for quad in 0..QUADS {
                let place = (first + part) * TILE_WORDS + column + quad * QUAD;
                let to: *mut __m256i = sums[place..place + QUAD].as_mut_ptr().cast();
                let sum = _mm256_add_epi64(lows[part][quad], _mm256_slli_epi64::<32>(highs[part][quad]));
                unsafe { _mm256_storeu_si256(to, _mm256_add_epi64(_mm256_loadu_si256(to), sum)) };
            }
        }
    }
}
