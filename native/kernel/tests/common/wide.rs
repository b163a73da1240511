//! Keys of 128-bit words, and arithmetic modulo 2^128 and X^size + 1.

use super::SplitMix;
use cipherstream_kernel::parameters::N;
use cipherstream_kernel::squash::{COLUMNS, LEVELS, SQUASHED_LWE};

/// Noise of the squashing key, as bits of `t_uniform`.
pub const NOISE: u32 = 30;
const BASE_LOG: u32 = 24;

/// a times b; zeros of b are skipped.
pub fn multiply(a: &[u128], b: &[u128]) -> Vec<u128> {
    let size = a.len();
    let mut product = vec![0u128; size];
    for (shift, &factor) in b.iter().enumerate().filter(|(_, factor)| **factor != 0) {
        let (kept, wrapped) = a.split_at(size - shift);
        for (sum, &word) in product[shift..].iter_mut().zip(kept) {
            *sum = sum.wrapping_add(word.wrapping_mul(factor));
        }
        for (sum, &word) in product.iter_mut().zip(wrapped) {
            *sum = sum.wrapping_sub(word.wrapping_mul(factor));
        }
    }
    product
}

pub fn add(sum: &mut [u128], other: &[u128]) {
    sum.iter_mut().zip(other).for_each(|(word, &other)| *word = word.wrapping_add(other));
}

/// The GLWE key of squashed ciphertexts: two binary polynomials.
pub struct WideClient {
    pub key: [Vec<u128>; COLUMNS - 1],
    random: SplitMix,
}

impl WideClient {
    pub fn new(seed: u64) -> Self {
        let mut random = SplitMix(seed);
        let mut polynomial = || random.bits(N).into_iter().map(u128::from).collect();
        Self { key: [polynomial(), polynomial()], random }
    }

    /// TFHE-rs's order: `[step][level, least significant first][row][column][N]`.
    pub fn squashing_key(&mut self, small: &[u64]) -> Vec<u128> {
        let mut key = Vec::new();
        for &bit in small {
            for level in (1..=LEVELS as u32).rev() {
                for row in 0..COLUMNS {
                    key.extend(self.ggsw_row(u128::from(bit) << (128 - BASE_LOG * level), row));
                }
            }
        }
        key
    }

    /// An encryption of -message times key polynomial `row`, or of the message in the last row.
    fn ggsw_row(&mut self, message: u128, row: usize) -> Vec<u128> {
        let mut body: Vec<u128> =
            (0..N).map(|_| self.random.t_uniform(NOISE) as i64 as i128 as u128).collect();
        let mut words = Vec::new();
        for polynomial in &self.key {
            let mask = self.random.wide_words(N);
            add(&mut body, &multiply(&mask, polynomial));
            words.extend(mask);
        }
        match self.key.get(row) {
            Some(polynomial) => {
                body.iter_mut().zip(polynomial).for_each(|(word, &key)| *word = word.wrapping_sub(message * key));
            }
            None => body[0] = body[0].wrapping_add(message),
        }
        words.extend(body);
        words
    }

    /// Body minus mask times key.
    pub fn phase(&self, lwe: &[u128]) -> u128 {
        assert_eq!(lwe.len(), SQUASHED_LWE);
        let key = self.key.iter().flatten();
        key.zip(lwe).fold(lwe[SQUASHED_LWE - 1], |phase, (&bit, &word)| phase.wrapping_sub(bit.wrapping_mul(word)))
    }
}
