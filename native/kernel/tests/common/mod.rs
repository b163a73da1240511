//! What the tests share: a stream of words, a client with small keys, and slow exact arithmetic.
#![allow(dead_code)]

pub mod client;
pub mod exact;
pub mod wide;

/// SplitMix64: reproducible words, nothing secret.
pub struct SplitMix(pub u64);

impl SplitMix {
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e3779b97f4a7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d049bb133111eb);
        mixed ^ (mixed >> 31)
    }

    pub fn words(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.word()).collect()
    }

    pub fn wide_words(&mut self, count: usize) -> Vec<u128> {
        (0..count).map(|_| u128::from(self.word()) | u128::from(self.word()) << 64).collect()
    }

    pub fn bits(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.word() >> 63).collect()
    }

    /// Uniform on [-2^bits, 2^bits], half the weight at both ends: the noise of the parameter set.
    pub fn t_uniform(&mut self, bits: u32) -> u64 {
        let value = self.word() >> (62 - bits);
        ((value + 1) >> 1).wrapping_sub(1 << bits)
    }
}

/// Low and high halves.
pub fn halves(words: &[u128]) -> Vec<u64> {
    words.iter().flat_map(|&word| [word as u64, (word >> 64) as u64]).collect()
}

/// FNV-1a over 64-bit words.
pub fn fnv(words: impl IntoIterator<Item = u64>) -> u64 {
    words.into_iter().fold(0xcbf29ce484222325, |hash, word| (hash ^ word).wrapping_mul(0x100000001b3))
}
