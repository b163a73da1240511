//! The keyswitch of re-randomisation: from the secret of the compact public key to the big key, one digit of 24 bits
//! for a mask word (TFHE-rs: `shortint/ciphertext/re_randomization`).
//!
//! (a, b) -> (0, b) - sum over inputs i of digit(a_i) K_i, exactly modulo 2^64. The key is used as it lies in its
//! file, which all processes of a machine share.

use crate::aligned::Aligned;
use crate::batch::in_parallel;
use crate::digits::single;
use crate::error::{require_length, Outcome};
use crate::parameters::{BIG_LWE, N, RE_RANDOMISING_BASE_LOG};
use crate::path::Path;
use crate::tile_product::{add_product, gather, GROUP, TILE_INPUTS, TILE_WORDS};

/// Ciphertexts for which the key is read once. It bounds the memory of a call: 1.6 MB of sums.
const CHUNK: usize = 96;
const TILES: usize = BIG_LWE.div_ceil(TILE_WORDS);

/// Read-only words that live as long as the object.
pub trait Words: AsRef<[u64]> + Send + Sync {}
impl<T: AsRef<[u64]> + Send + Sync> Words for T {}

/// Rows K_i, `[input N][N + 1]`.
pub struct ReRandomisingKey(Box<dyn Words>);

impl ReRandomisingKey {
    /// Takes torus words as TFHE-rs has them, without a copy.
    pub fn attach(rows: impl Words + 'static) -> Outcome<Self> {
        require_length("the re-randomising key", rows.as_ref().len(), N * BIG_LWE)?;
        Ok(Self(Box::new(rows)))
    }

    /// Switches a batch of LWE ciphertexts, `[batch][N + 1]` to as many words.
    pub fn switch(&self, lwes: &[u64], threads: usize, path: Path) -> Outcome<Vec<u64>> {
        let batch = lwes.len() / BIG_LWE;
        require_length("the ciphertexts", lwes.len(), batch * BIG_LWE)?;
        let shares = in_parallel(batch, threads, |range| {
            let lwes = &lwes[range.start * BIG_LWE..range.end * BIG_LWE];
            let mut outputs = vec![0; lwes.len()];
            let chunks = lwes.chunks(CHUNK * BIG_LWE).zip(outputs.chunks_mut(CHUNK * BIG_LWE));
            chunks.for_each(|(lwes, outputs)| self.switch_chunk(lwes, outputs, path));
            Ok(outputs)
        })?;
        Ok(shares.concat())
    }

    fn switch_chunk(&self, lwes: &[u64], outputs: &mut [u64], path: Path) {
        let batch = lwes.len() / BIG_LWE;
        let width = if batch == 1 { 1 } else { GROUP };
        let places = batch.next_multiple_of(width);
        // sums: `[tile][ciphertext][TILE_WORDS]`
        let mut sums = Aligned::zeroed(TILES * places * TILE_WORDS);
        let mut digits = Aligned::zeroed(places * TILE_INPUTS);
        let mut words = Aligned::zeroed(TILE_INPUTS * TILE_WORDS);
        for (block, rows) in (*self.0).as_ref().chunks_exact(TILE_INPUTS * BIG_LWE).enumerate() {
            decompose(lwes, block * TILE_INPUTS, width, &mut digits);
            for (tile, sums) in sums.chunks_exact_mut(places * TILE_WORDS).enumerate() {
                gather(rows, BIG_LWE, tile * TILE_WORDS, &mut words);
                add_product(&words, &digits, width, sums, path);
            }
        }
        subtract(lwes, &sums, places, outputs);
    }
}

/// Digits of TILE_INPUTS mask words from `first` on, `[group][input][width]`; places without a ciphertext stay zero.
fn decompose(lwes: &[u64], first: usize, width: usize, digits: &mut [i64]) {
    for (ciphertext, lwe) in lwes.chunks_exact(BIG_LWE).enumerate() {
        let (group, place) = (ciphertext / width, ciphertext % width);
        let group = &mut digits[group * TILE_INPUTS * width..][..TILE_INPUTS * width];
        for (digits, &word) in group.chunks_exact_mut(width).zip(&lwe[first..]) {
            digits[place] = single(word, RE_RANDOMISING_BASE_LOG).into();
        }
    }
}

/// outputs = (0, b) - sums.
fn subtract(lwes: &[u64], sums: &[u64], places: usize, outputs: &mut [u64]) {
    for (tile, sums) in sums.chunks_exact(places * TILE_WORDS).enumerate() {
        for (output, sums) in outputs.chunks_exact_mut(BIG_LWE).zip(sums.chunks_exact(TILE_WORDS)) {
            let words = output[tile * TILE_WORDS..].iter_mut();
            words.zip(sums).for_each(|(word, sum)| *word = sum.wrapping_neg());
        }
    }
    for (output, lwe) in outputs.chunks_exact_mut(BIG_LWE).zip(lwes.chunks_exact(BIG_LWE)) {
        output[N] = output[N].wrapping_add(lwe[N]);
    }
}

const _: () = assert!(N.is_multiple_of(TILE_INPUTS) && CHUNK.is_multiple_of(GROUP));
