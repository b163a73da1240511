//! Packing keyswitch: many LWE ciphertexts into the coefficients of one GLWE ciphertext, the first half of
//! compression (the public functional keyswitch of Chillotti, Gama, Georgieva, Izabachene, "TFHE: fast fully
//! homomorphic encryption over the torus", 2018).

use crate::batch::in_parallel;
use crate::error::{require, require_length, Outcome, Refused};
use crate::key_bytes::Foreign;
use crate::keyswitch::{KeyswitchKey, Target};
use crate::parameters::BIG_LWE;
use crate::path::Path;

/// Ciphertexts keyswitched at a time, a compromise between the key's and the results' memory.
const CHUNK: usize = 32;

/// A keyswitch key whose rows encrypt under a GLWE key of dimension k with polynomials of `polynomial_size`.
pub struct PackingKey {
    polynomial_size: usize,
    key: KeyswitchKey,
}

impl PackingKey {
    /// Takes TFHE-rs's `[input N][level][k + 1][polynomial_size]`, least significant level first.
    pub fn prepare(
        standard: &[u64],
        levels: usize,
        dimension: usize,
        polynomial_size: usize,
    ) -> Outcome<Self> {
        let columns = dimension.saturating_add(1).saturating_mul(polynomial_size);
        Self::new(KeyswitchKey::prepare(standard, levels, columns, Target::Glwe { polynomial_size })?)
    }

    /// A prepared key, without a copy where the bytes lie on a cache line.
    pub fn attach(bytes: impl Foreign + 'static) -> Outcome<Self> {
        Self::new(KeyswitchKey::attach(bytes)?)
    }

    fn new(key: KeyswitchKey) -> Outcome<Self> {
        let Target::Glwe { polynomial_size } = key.target() else {
            return Err(Refused("a keyswitch key, not a packing key".into()));
        };
        Ok(Self { polynomial_size, key })
    }

    /// What `attach` takes.
    pub fn bytes(&self) -> &[u8] {
        self.key.bytes()
    }

    /// Sum over j of X^j times the keyswitched ciphertext j, at most `polynomial_size` of them, as `[k + 1][size]`
    /// words.
    pub fn pack(&self, lwes: &[u64], threads: usize, path: Path) -> Outcome<Vec<u64>> {
        let batch = lwes.len() / BIG_LWE;
        require_length("the ciphertexts", lwes.len(), batch * BIG_LWE)?;
        require(batch <= self.polynomial_size, || {
            format!("{batch} ciphertexts, {} fit into a polynomial", self.polynomial_size)
        })?;
        let shares = in_parallel(batch, threads, |range| {
            self.pack_share(&lwes[range.start * BIG_LWE..range.end * BIG_LWE], range.start, path)
        })?;
        // modulo 2^64, so the order of the shares does not matter
        let mut packed = vec![0; self.key.columns()];
        shares.iter().for_each(|share| add(&mut packed, share));
        Ok(packed)
    }

    /// The sum for some of the ciphertexts, the first of which goes to coefficient `first`.
    fn pack_share(&self, lwes: &[u64], first: usize, path: Path) -> Outcome<Vec<u64>> {
        let columns = self.key.columns();
        let (mut packed, mut switched) = (vec![0; columns], vec![0; CHUNK * columns]);
        for (chunk, lwes) in lwes.chunks(CHUNK * BIG_LWE).enumerate() {
            let switched = &mut switched[..lwes.len() / BIG_LWE * columns];
            self.key.switch(lwes, switched, path)?;
            for (place, glwe) in switched.chunks_exact(columns).enumerate() {
                self.add_shifted(&mut packed, glwe, first + chunk * CHUNK + place);
            }
        }
        Ok(packed)
    }

    /// packed += X^degree glwe; what leaves at the top comes back negated.
    fn add_shifted(&self, packed: &mut [u64], glwe: &[u64], degree: usize) {
        let size = self.polynomial_size;
        for (sum, polynomial) in packed.chunks_exact_mut(size).zip(glwe.chunks_exact(size)) {
            let (kept, wrapped) = polynomial.split_at(size - degree);
            add(&mut sum[degree..], kept);
            for (word, &other) in sum.iter_mut().zip(wrapped) {
                *word = word.wrapping_sub(other);
            }
        }
    }
}

fn add(sum: &mut [u64], other: &[u64]) {
    for (word, &other) in sum.iter_mut().zip(other) {
        *word = word.wrapping_add(other);
    }
}
