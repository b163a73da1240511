//! Keys, encryption and decryption with the parameters of the set; the dimension of the small key is free.

use super::exact::multiply;
use super::SplitMix;
use cipherstream_kernel::parameters::{BIG_LWE, N};

/// Noise of the big (GLWE) key and of the small key, as bits of `t_uniform`.
const BIG_NOISE: u32 = 17;
const SMALL_NOISE: u32 = 45;
const DIGIT_UNIT: u32 = 64 - 23;
/// One unit of a message with four bits and a padding bit.
pub const MESSAGE_SHIFT: u32 = 59;

pub struct Client {
    pub small: Vec<u64>,
    pub big: Vec<u64>,
    pub random: SplitMix,
}

impl Client {
    pub fn new(dimension: usize, seed: u64) -> Self {
        let mut random = SplitMix(seed);
        Self { small: random.bits(dimension), big: random.bits(N), random }
    }

    /// `[n][row 2][column 2][N]`
    pub fn bootstrap_key(&mut self) -> Vec<u64> {
        let small = self.small.clone();
        small.into_iter().flat_map(|bit| [self.ggsw_row(bit, 0), self.ggsw_row(bit, 1)]).flatten().collect()
    }

    /// Row 0 encrypts -bit s 2^41, row 1 encrypts bit 2^41.
    fn ggsw_row(&mut self, bit: u64, row: usize) -> Vec<u64> {
        let mut words = self.random.words(N);
        let mut body = multiply(&words, &self.big);
        for word in &mut body {
            *word = word.wrapping_add(self.random.t_uniform(BIG_NOISE));
        }
        if row == 0 {
            for (word, &key) in body.iter_mut().zip(&self.big) {
                *word = word.wrapping_sub((bit * key) << DIGIT_UNIT);
            }
        } else {
            body[0] = body[0].wrapping_add(bit << DIGIT_UNIT);
        }
        words.extend(body);
        words
    }

    /// `[N][level 4][n + 1]`, least significant level first.
    pub fn keyswitch_key(&mut self) -> Vec<u64> {
        let (big, small) = (self.big.clone(), self.small.clone());
        let mut key = Vec::with_capacity(N * 4 * (small.len() + 1));
        for bit in big {
            for level in 0..4 {
                key.extend(encrypt(&mut self.random, &small, bit << (48 + 4 * level), SMALL_NOISE));
            }
        }
        key
    }

    /// A message of 0..16 under the big key.
    pub fn encrypt(&mut self, message: u64) -> Vec<u64> {
        encrypt(&mut self.random, &self.big, message << MESSAGE_SHIFT, BIG_NOISE)
    }

    pub fn decrypt(&self, lwe: &[u64]) -> u64 {
        assert_eq!(lwe.len(), BIG_LWE);
        phase(&self.big, lwe).wrapping_add(1 << (MESSAGE_SHIFT - 1)) >> MESSAGE_SHIFT
    }
}

pub fn encrypt(random: &mut SplitMix, key: &[u64], plain: u64, noise: u32) -> Vec<u64> {
    let mut lwe = random.words(key.len());
    let body = plain.wrapping_add(random.t_uniform(noise)).wrapping_add(inner_product(key, &lwe));
    lwe.push(body);
    lwe
}

/// Body minus mask times key.
pub fn phase(key: &[u64], lwe: &[u64]) -> u64 {
    lwe[key.len()].wrapping_sub(inner_product(key, lwe))
}

fn inner_product(key: &[u64], mask: &[u64]) -> u64 {
    key.iter().zip(mask).fold(0, |sum, (&bit, &word)| sum.wrapping_add(bit.wrapping_mul(word)))
}

/// The test polynomial of a function of 0..16, rotated by half a box.
pub fn table(function: impl Fn(u64) -> u64) -> Vec<u64> {
    let entry = |j: usize| {
        let place = j + 64;
        let value = function((place / 128 % 16) as u64) << MESSAGE_SHIFT;
        if place < N {
            value
        } else {
            value.wrapping_neg()
        }
    };
    (0..N).map(entry).collect()
}
