//! The packing keyswitch of squashed ciphertexts: exact modulo 2^128, equal to TFHE-rs word for word.
//!
//! (a_j, b_j) -> sum over j of X^j ((0, b_j) - sum over inputs i of digit(a_ij) K_i), where K_i encrypts s_i 2^67 under
//! a GLWE key. One digit of 61 bits for an input. Digits are made positive by adding half a base, which is taken
//! back with the sum of the key's rows.

use super::word_product::{products, Digit, Sums, DIGIT_LOW_BITS};
use super::SQUASHED_LWE;
use crate::batch::in_parallel;
use crate::error::{require, require_length, Outcome};
use crate::key_bytes::{header, Foreign, KeyBytes, Magic, Shape, HEADER_BYTES};
use crate::lanes::LANES;
use crate::path::Path;

const MAGIC: &Magic = b"CSWPK\0\x01\0";
pub const BASE_LOG: u32 = 61;
const HALF_BASE: u128 = 1 << (BASE_LOG - 1);
/// Bits of the flattened key that ciphertexts come under.
pub const INPUTS: usize = SQUASHED_LWE - 1;
/// Inputs whose products are summed before carries: sums of 52-bit products stay below 2^64.
pub const CHUNK_INPUTS: usize = 1024;
const CHUNKS: usize = INPUTS / CHUNK_INPUTS;
/// Ciphertexts that share a pass over eight columns of the key.
pub const GROUP: usize = 8;
/// u64 of eight words: the low halves, then the high ones.
pub const ROW_WORDS: usize = 2 * LANES;
/// Rows of eight columns in a chunk: one per input, then their sum.
const TILE_WORDS: usize = (CHUNK_INPUTS + 1) * ROW_WORDS;
/// More than any parameter set has; bounds the sizes computed from a header.
const MAX_COLUMNS: usize = 1 << 16;

/// `[chunk 4][columns / 8][input 1024, then the sum][low 8, high 8]` u64.
pub struct WidePackingKey {
    columns: usize,
    polynomial_size: usize,
    bytes: KeyBytes,
}

impl WidePackingKey {
    /// Takes TFHE-rs's `[input 4096][k + 1][polynomial_size]` of one level.
    pub fn prepare(standard: &[u128], dimension: usize, polynomial_size: usize) -> Outcome<Self> {
        let (shape, columns) = shape(dimension, polynomial_size)?;
        require_length("the packing key", standard.len(), INPUTS * columns)?;
        let mut bytes = KeyBytes::zeroed(MAGIC, &shape, payload_bytes(columns));
        let chunks = standard.chunks_exact(CHUNK_INPUTS * columns).map(|rows| chunk_words(rows, columns));
        let words = chunks.flatten();
        for (field, word) in bytes.payload_mut().chunks_exact_mut(size_of::<u64>()).zip(words) {
            field.copy_from_slice(&word.to_le_bytes());
        }
        Ok(Self { columns, polynomial_size, bytes })
    }

    /// A prepared key, without a copy where the bytes lie on a cache line.
    pub fn attach(bytes: impl Foreign + 'static) -> Outcome<Self> {
        let bytes = KeyBytes::attach(bytes);
        let found = bytes.shape(MAGIC)?;
        let polynomial_size = found[1] as usize;
        let (expected, columns) = shape(found[0] as usize, polynomial_size)?;
        require(found == expected, || format!("a packing key of another shape: {found:?}"))?;
        bytes.require_payload(payload_bytes(columns))?;
        Ok(Self { columns, polynomial_size, bytes })
    }

    /// What `attach` takes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.bytes()
    }

    /// Squashed ciphertexts, `[count][4097]`, at most `polynomial_size` of them, as `[k + 1][polynomial_size]` words.
    pub fn pack(&self, lwes: &[u128], threads: usize, path: Path) -> Outcome<Vec<u128>> {
        let count = lwes.len() / SQUASHED_LWE;
        require_length("the squashed ciphertexts", lwes.len(), count * SQUASHED_LWE)?;
        require(count <= self.polynomial_size, || {
            format!("{count} ciphertexts, {} fit into a polynomial", self.polynomial_size)
        })?;
        let digits = digits(lwes);
        let tiles = in_parallel(self.columns / LANES, threads, |range| {
            Ok(range.map(|tile| self.switched(tile, &digits, count, path)).collect::<Vec<_>>())
        })?;
        let mut packed = vec![0; self.columns];
        for (tile, switched) in tiles.iter().flatten().enumerate() {
            for (degree, words) in switched.iter().enumerate() {
                for (lane, &word) in words.iter().enumerate() {
                    self.add(&mut packed, tile * LANES + lane, degree, word.wrapping_neg());
                }
            }
        }
        for (degree, lwe) in lwes.chunks_exact(SQUASHED_LWE).enumerate() {
            self.add(&mut packed, self.columns - self.polynomial_size, degree, lwe[INPUTS]);
        }
        Ok(packed)
    }

    /// Eight columns of sum over inputs of digit x key, `[ciphertext][column]`.
    fn switched(&self, tile: usize, digits: &Groups, count: usize, path: Path) -> Vec<[u128; LANES]> {
        let mut switched = vec![[0u128; LANES]; count];
        for chunk in 0..CHUNKS {
            let key = self.tile(chunk, tile);
            let (rows, sum) = key.split_at(CHUNK_INPUTS * ROW_WORDS);
            for (group, totals) in switched.chunks_mut(GROUP).enumerate() {
                let digits = &digits[group][chunk * CHUNK_INPUTS..][..CHUNK_INPUTS];
                let sums = products(rows, digits, totals.len(), path);
                add_without_bias(totals, &sums, sum);
            }
        }
        switched
    }

    fn tile(&self, chunk: usize, tile: usize) -> &[u64] {
        let words = self.bytes.payload_u64();
        &words[(chunk * (self.columns / LANES) + tile) * TILE_WORDS..][..TILE_WORDS]
    }

    /// packed += X^degree word at that column; what leaves a polynomial at the top comes back negated.
    fn add(&self, packed: &mut [u128], column: usize, degree: usize, word: u128) {
        let place = column % self.polynomial_size + degree;
        let at = column - column % self.polynomial_size + place % self.polynomial_size;
        let word = if place < self.polynomial_size { word } else { word.wrapping_neg() };
        packed[at] = packed[at].wrapping_add(word);
    }
}

/// What stands in front of the chunks of a key that is written piece by piece.
pub fn packing_header(dimension: usize, polynomial_size: usize) -> Outcome<[u8; HEADER_BYTES]> {
    let (shape, columns) = shape(dimension, polynomial_size)?;
    Ok(header(MAGIC, &shape, payload_bytes(columns)))
}

/// One chunk of a key, from the rows of 1024 inputs.
pub fn transform_chunk(standard: &[u128], dimension: usize, polynomial_size: usize) -> Outcome<Vec<u64>> {
    let (_, columns) = shape(dimension, polynomial_size)?;
    require_length("a chunk of the packing key", standard.len(), CHUNK_INPUTS * columns)?;
    Ok(chunk_words(standard, columns))
}

fn shape(dimension: usize, polynomial_size: usize) -> Outcome<(Shape, usize)> {
    let columns = dimension.saturating_add(1).saturating_mul(polynomial_size);
    let whole = dimension > 0 && polynomial_size > 0 && polynomial_size.is_multiple_of(LANES);
    require(whole && columns <= MAX_COLUMNS, || format!("{dimension} + 1 polynomials of {polynomial_size}"))?;
    Ok(([dimension, polynomial_size, INPUTS, BASE_LOG as usize, 0].map(|field| field as u64), columns))
}

fn payload_bytes(columns: usize) -> usize {
    CHUNKS * columns / LANES * TILE_WORDS * size_of::<u64>()
}

fn chunk_words(standard: &[u128], columns: usize) -> Vec<u64> {
    let mut words = Vec::with_capacity(columns / LANES * TILE_WORDS);
    for tile in 0..columns / LANES {
        let mut sum = [0u128; LANES];
        for row in standard.chunks_exact(columns) {
            let row = &row[tile * LANES..][..LANES];
            sum.iter_mut().zip(row).for_each(|(sum, &word)| *sum = sum.wrapping_add(word));
            put(&mut words, row);
        }
        put(&mut words, &sum);
    }
    words
}

fn put(words: &mut Vec<u64>, row: &[u128]) {
    words.extend(row.iter().map(|&word| word as u64));
    words.extend(row.iter().map(|&word| (word >> 64) as u64));
}

/// totals += sums - HALF_BASE x sum of the key's rows.
fn add_without_bias(totals: &mut [[u128; LANES]], sums: &Sums, key_sum: &[u64]) {
    for (totals, sums) in totals.iter_mut().zip(sums) {
        for (lane, (total, &sum)) in totals.iter_mut().zip(sums).enumerate() {
            let word = u128::from(key_sum[lane]) | u128::from(key_sum[LANES + lane]) << 64;
            *total = total.wrapping_add(sum).wrapping_sub(HALF_BASE.wrapping_mul(word));
        }
    }
}

/// `[group][input][ciphertext 8]`; places without a ciphertext are zero.
type Groups = Vec<Vec<[Digit; GROUP]>>;

fn digits(lwes: &[u128]) -> Groups {
    let group = |lwes: &[u128]| {
        let mut digits = vec![[[0; 2]; GROUP]; INPUTS];
        for (place, lwe) in lwes.chunks_exact(SQUASHED_LWE).enumerate() {
            for (digits, &word) in digits.iter_mut().zip(&lwe[..INPUTS]) {
                let digit = digit(word).wrapping_add(HALF_BASE as i64) as u64;
                digits[place] = [digit & ((1 << DIGIT_LOW_BITS) - 1), digit >> DIGIT_LOW_BITS];
            }
        }
        digits
    };
    lwes.chunks(GROUP * SQUASHED_LWE).map(group).collect()
}

/// The upper 61 bits of a word, half rounded up, as a number in (-2^60, 2^60].
pub fn digit(word: u128) -> i64 {
    let with_round_bit = (word >> (u128::BITS - BASE_LOG - 1)) as i64;
    let rounded = (with_round_bit + 1) >> 1 & ((1 << BASE_LOG) - 1);
    if rounded > HALF_BASE as i64 {
        return rounded - (1 << BASE_LOG);
    }
    rounded
}

const _: () = assert!(INPUTS == CHUNKS * CHUNK_INPUTS);
