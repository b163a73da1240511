//! Digits times key, exactly: the matrix product in which a keyswitch spends its time.
//!
//! Key words are cut into bytes; the four digits of an input times the bytes of the same weight in its four levels
//! make one dot product of 8-bit numbers. 2048 x 4 products of 255 x 8 stay below 2^25, so sums in i32 are exact
//! and their order does not matter.

use crate::aligned::{Aligned, LINE_BYTES};
use crate::digits::Digits;
use crate::parameters::MAX_LEVELS;
use crate::path::Path;

/// Cache lines of key per input and tile: as many as registers allow beside eight ciphertexts.
const TILE_LINES: usize = 3;
const TILE_BYTES: usize = TILE_LINES * LINE_BYTES;
/// 32-bit sums per ciphertext and tile, one per byte of an output word.
pub const TILE_SUMS: usize = TILE_BYTES / MAX_LEVELS;
/// Ciphertexts that share a pass over a tile.
pub const GROUP: usize = 8;
/// 255 x 8 x 4 x inputs must stay below 2^31.
pub const MAX_INPUTS: usize = 1 << 17;

/// `[tile][input][line 3][byte of weight 16][level 4]`: the key for outputs cut into bytes.
pub struct ByteMatrix {
    pub inputs: usize,
    /// Output words.
    pub columns: usize,
}

impl ByteMatrix {
    /// Tiles of 48 output bytes, six words.
    pub fn tiles(&self) -> usize {
        (self.columns * size_of::<u64>()).div_ceil(TILE_SUMS)
    }

    pub fn bytes(&self) -> usize {
        self.tiles() * self.inputs * TILE_BYTES
    }

    /// Puts the word of a level and an output where the product reads its bytes.
    pub fn put(&self, matrix: &mut [u8], input: usize, level: usize, column: usize, word: u64) {
        for (weight, byte) in word.to_le_bytes().into_iter().enumerate() {
            let place = column * size_of::<u64>() + weight;
            let (tile, sum) = (place / TILE_SUMS, place % TILE_SUMS);
            matrix[(tile * self.inputs + input) * TILE_BYTES + sum * MAX_LEVELS + level] = byte;
        }
    }

    /// outputs -= digits x matrix, modulo 2^64.
    ///
    /// `digits`: `[group][input][width]` with `width` ciphertexts per group; `outputs`: `[ciphertext][columns]`.
    pub fn subtract_product(
        &self,
        matrix: &[u8],
        digits: &Aligned<Digits>,
        width: usize,
        outputs: &mut [u64],
        path: Path,
    ) {
        assert!(matrix.len() == self.bytes() && matrix.as_ptr().align_offset(LINE_BYTES) == 0);
        assert!(width == GROUP || width == 1);
        let mut sums = Aligned::zeroed(GROUP * TILE_SUMS);
        for (tile, key) in matrix.chunks_exact(self.inputs * TILE_BYTES).enumerate() {
            let groups = digits.chunks_exact(self.inputs * width);
            for (digits, outputs) in groups.zip(outputs.chunks_mut(width * self.columns)) {
                multiply(key, digits, width, &mut sums, path);
                for (sums, output) in sums.chunks_exact(TILE_SUMS).zip(outputs.chunks_mut(self.columns)) {
                    subtract(sums, output, tile);
                }
            }
        }
    }
}

/// Gathers eight sums, the bytes of a word by weight, and subtracts the word.
fn subtract(sums: &[i32], output: &mut [u64], tile: usize) {
    let first = tile * TILE_SUMS / size_of::<u64>();
    for (word, bytes) in output[first..].iter_mut().zip(sums.chunks_exact(size_of::<u64>())) {
        let shifted = bytes.iter().enumerate().map(|(weight, &sum)| (i64::from(sum) as u64) << (8 * weight));
        *word = shifted.fold(*word, u64::wrapping_sub);
    }
}

/// sums = digits x one tile of the key; `sums`: `[ciphertext][TILE_SUMS]`.
fn multiply(key: &[u8], digits: &[Digits], width: usize, sums: &mut Aligned<i32>, path: Path) {
    #[cfg(target_arch = "x86_64")]
    match (path, width) {
        (Path::Avx512, 1) => return unsafe { x86::multiply_avx512::<1>(key, digits, sums) },
        (Path::Avx512, _) => return unsafe { x86::multiply_avx512::<GROUP>(key, digits, sums) },
        (Path::Avx2, 1) => return unsafe { x86::multiply_avx2::<1, 1>(key, digits, sums) },
        (Path::Avx2, _) => return unsafe { x86::multiply_avx2::<GROUP, 4>(key, digits, sums) },
        (Path::Scalar, _) => (),
    }
    let _ = path;
    multiply_scalar(key, digits, width, sums);
}

fn multiply_scalar(key: &[u8], digits: &[Digits], width: usize, sums: &mut [i32]) {
    sums.fill(0);
    for (line, digits) in key.chunks_exact(TILE_BYTES).zip(digits.chunks_exact(width)) {
        for (sums, digits) in sums.chunks_exact_mut(TILE_SUMS).zip(digits) {
            for (sum, bytes) in sums.iter_mut().zip(line.chunks_exact(MAX_LEVELS)) {
                let products =
                    bytes.iter().zip(digits).map(|(&byte, &digit)| i32::from(byte) * i32::from(digit));
                *sum += products.sum::<i32>();
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use core::arch::x86_64::*;

    use super::{Digits, TILE_BYTES, TILE_LINES, TILE_SUMS};
    use crate::aligned::{Aligned, LINE_BYTES};

    /// Lines of key to ask for in advance.
    const AHEAD: usize = 24;
    const HALF_LINE: usize = LINE_BYTES / 2;

    /// # Safety
    /// The instruction set; `key` on a cache line, `digits` with WIDTH ciphertexts per input.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub unsafe fn multiply_avx512<const WIDTH: usize>(
        key: &[u8],
        digits: &[Digits],
        sums: &mut Aligned<i32>,
    ) {
        let mut rows = [[_mm512_setzero_si512(); TILE_LINES]; WIDTH];
        for (input, digits) in digits.chunks_exact(WIDTH).enumerate() {
            let mut lines = [_mm512_setzero_si512(); TILE_LINES];
            for (index, line) in lines.iter_mut().enumerate() {
                let at = key.as_ptr().wrapping_add(TILE_BYTES * input + LINE_BYTES * index);
                *line = unsafe { _mm512_load_si512(at.cast()) };
                _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(AHEAD * LINE_BYTES).cast());
            }
            for (row, &digits) in rows.iter_mut().zip(digits) {
                let digits = _mm512_set1_epi32(as_word(digits));
                for (sum, line) in row.iter_mut().zip(lines) {
                    *sum = _mm512_dpbusd_epi32(*sum, line, digits);
                }
            }
        }
        for (sums, row) in sums.chunks_exact_mut(TILE_SUMS).zip(rows) {
            for (to, sum) in sums.chunks_exact_mut(LINE_BYTES / size_of::<i32>()).zip(row) {
                unsafe { _mm512_store_si512(to.as_mut_ptr().cast(), sum) };
            }
        }
    }

    /// Half a line and PART ciphertexts at a time: there are sixteen registers.
    ///
    /// # Safety
    /// The instruction set; `key` on a cache line, `digits` with WIDTH ciphertexts per input.
    #[target_feature(enable = "avx2")]
    pub unsafe fn multiply_avx2<const WIDTH: usize, const PART: usize>(
        key: &[u8],
        digits: &[Digits],
        sums: &mut Aligned<i32>,
    ) {
        let ones = _mm256_set1_epi16(1);
        for (first, half) in
            (0..WIDTH).step_by(PART).flat_map(|first| (0..2 * TILE_LINES).map(move |h| (first, h)))
        {
            let mut row = [_mm256_setzero_si256(); PART];
            for (input, digits) in digits.chunks_exact(WIDTH).enumerate() {
                let at = key.as_ptr().wrapping_add(TILE_BYTES * input + HALF_LINE * half);
                let bytes = unsafe { _mm256_load_si256(at.cast()) };
                for (sum, &digits) in row.iter_mut().zip(&digits[first..]) {
                    // pairs stay below 2^12, so the saturation of this instruction never acts
                    let pairs = _mm256_maddubs_epi16(bytes, _mm256_set1_epi32(as_word(digits)));
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
                }
            }
            for (ciphertext, sum) in row.into_iter().enumerate() {
                let place = (first + ciphertext) * TILE_SUMS + half * (HALF_LINE / size_of::<i32>());
                unsafe { _mm256_store_si256(sums[place..].as_mut_ptr().cast(), sum) };
            }
        }
    }

    #[inline(always)]
    fn as_word(digits: Digits) -> i32 {
        i32::from_le_bytes(digits.map(|digit| digit as u8))
    }
}
