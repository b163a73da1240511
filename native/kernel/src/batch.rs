//! A batch over threads: each takes a run of neighbouring ciphertexts, so results do not depend on their number.

use std::ops::Range;
use std::thread;

use crate::accumulator::{extract, start, ACCUMULATOR_WORDS};
use crate::aligned::Aligned;
use crate::blind_rotation::{blind_rotate, Scratch};
use crate::bootstrap_key::BootstrapKey;
use crate::error::{require, require_length, Outcome, Refused};
use crate::keyswitch::KeyswitchKey;
use crate::modulus_switch::switch_modulus;
use crate::parameters::{ACCUMULATOR_BITS, BIG_LWE, N};
use crate::path::Path;

/// Ciphertexts that are turned together: their accumulators (16 KB each) and two steps of the key fit the second
/// cache.
const CHUNK: usize = 32;

/// What to look up for each ciphertext of a batch.
pub struct LookUps<'a> {
    /// `[table][N]` torus words, multiples of 2^32: the test polynomials.
    pub tables: &'a [u64],
    /// `[batch]`: the table of each ciphertext.
    pub table_of: &'a [u32],
    /// `[output][2]`: ciphertext and coefficient of each output, in the order of ciphertexts.
    pub reads: &'a [[u32; 2]],
}

impl LookUps<'_> {
    fn check(&self, batch: usize) -> Outcome<()> {
        let tables = self.tables.len() / N;
        require_length("the tables", self.tables.len(), tables * N)?;
        require_length("the choice of tables", self.table_of.len(), batch)?;
        require(self.table_of.iter().all(|&table| (table as usize) < tables), || "no such table".into())?;
        let fraction = (1u64 << (u64::BITS - ACCUMULATOR_BITS)) - 1;
        require(self.tables.iter().all(|word| word & fraction == 0), || "a table entry is too fine".into())?;
        let inside = |read: &[u32; 2]| (read[0] as usize) < batch && (read[1] as usize) < N;
        require(self.reads.iter().all(inside), || "a read is outside of the batch or the polynomial".into())?;
        require(self.reads.is_sorted_by_key(|read| read[0]), || "the reads are not in order".into())
    }

    /// The outputs that a run of ciphertexts makes.
    fn reads_of(&self, ciphertexts: &Range<usize>) -> Range<usize> {
        let before = |limit: usize| self.reads.partition_point(|read| (read[0] as usize) < limit);
        before(ciphertexts.start)..before(ciphertexts.end)
    }
}

/// Keyswitch, modulus switch, blind rotation and extraction: `[batch][N + 1]` to `[reads][N + 1]`.
pub fn keyswitch_bootstrap(
    lwes: &[u64],
    look_ups: &LookUps<'_>,
    keyswitch_key: &KeyswitchKey,
    bootstrap_key: &BootstrapKey,
    threads: usize,
    path: Path,
) -> Outcome<Vec<u64>> {
    let (batch, dimension) = (lwes.len() / BIG_LWE, bootstrap_key.dimension());
    require_length("the ciphertexts", lwes.len(), batch * BIG_LWE)?;
    require_length("a keyswitched ciphertext", keyswitch_key.columns(), dimension + 1)?;
    look_ups.check(batch)?;
    let shares = in_parallel(batch, threads, |range| {
        let mut small = vec![0; range.len() * (dimension + 1)];
        let lwes = &lwes[range.start * BIG_LWE..range.end * BIG_LWE];
        keyswitch_key.switch(lwes, &mut small, path)?;
        let amounts = switch_all(&small, dimension);
        rotate_and_extract(&amounts, range, look_ups, bootstrap_key, path)
    })?;
    Ok(shares.concat())
}

/// Keyswitch alone: `[batch][N + 1]` to `[batch][n + 1]`.
pub fn keyswitch(lwes: &[u64], key: &KeyswitchKey, threads: usize, path: Path) -> Outcome<Vec<u64>> {
    let batch = lwes.len() / BIG_LWE;
    require_length("the ciphertexts", lwes.len(), batch * BIG_LWE)?;
    let shares = in_parallel(batch, threads, |range| {
        let mut small = vec![0; range.len() * key.columns()];
        let lwes = &lwes[range.start * BIG_LWE..range.end * BIG_LWE];
        key.switch(lwes, &mut small, path)?;
        Ok(small)
    })?;
    Ok(shares.concat())
}

/// Blind rotation and extraction for rotation amounts that are there already, `[batch][n + 1]`: decompression
/// starts here, its ciphertexts are stored switched.
pub fn bootstrap(
    amounts: &[u16],
    look_ups: &LookUps<'_>,
    key: &BootstrapKey,
    threads: usize,
    path: Path,
) -> Outcome<Vec<u64>> {
    let words = key.dimension() + 1;
    let batch = amounts.len() / words;
    require_length("the rotation amounts", amounts.len(), batch * words)?;
    require(amounts.iter().all(|&amount| usize::from(amount) < 2 * N), || {
        "a rotation amount is too large".into()
    })?;
    look_ups.check(batch)?;
    let shares = in_parallel(batch, threads, |range| {
        rotate_and_extract(&amounts[range.start * words..range.end * words], range, look_ups, key, path)
    })?;
    Ok(shares.concat())
}

/// Rotation amounts of `[batch][n + 1]` small ciphertexts.
pub fn switch_all(small: &[u64], dimension: usize) -> Vec<u16> {
    let mut amounts = vec![0; small.len()];
    let ciphertexts = small.chunks_exact(dimension + 1);
    ciphertexts.zip(amounts.chunks_exact_mut(dimension + 1)).for_each(|(lwe, out)| switch_modulus(lwe, out));
    amounts
}

/// The outputs of the ciphertexts `range` of the batch, whose amounts are given.
fn rotate_and_extract(
    amounts: &[u16],
    range: Range<usize>,
    look_ups: &LookUps<'_>,
    key: &BootstrapKey,
    path: Path,
) -> Outcome<Vec<u64>> {
    let words = key.dimension() + 1;
    let mut outputs = vec![0; look_ups.reads_of(&range).len() * BIG_LWE];
    let mut free = outputs.chunks_exact_mut(BIG_LWE);
    let mut scratch = Scratch::default();
    for (chunk, amounts) in range.clone().step_by(CHUNK).zip(amounts.chunks(CHUNK * words)) {
        let ciphertexts = chunk..range.end.min(chunk + CHUNK);
        let mut accumulators = Aligned::zeroed(ciphertexts.len() * ACCUMULATOR_WORDS);
        let starts = accumulators.chunks_exact_mut(ACCUMULATOR_WORDS).zip(amounts.chunks_exact(words));
        for ((accumulator, amounts), &table) in starts.zip(&look_ups.table_of[ciphertexts.clone()]) {
            let table = &look_ups.tables[table as usize * N..][..N];
            start(accumulator, table, usize::from(amounts[words - 1]));
        }
        blind_rotate(key, &mut accumulators, amounts, &mut scratch, path)?;
        let reads = &look_ups.reads[look_ups.reads_of(&ciphertexts)];
        for (read, output) in reads.iter().zip(&mut free) {
            let place = (read[0] as usize - chunk) * ACCUMULATOR_WORDS;
            extract(&accumulators[place..place + ACCUMULATOR_WORDS], read[1] as usize, output);
        }
    }
    Ok(outputs)
}

/// Results of equal runs of `0..count`, in order; the calling thread works too.
pub fn in_parallel<T: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(Range<usize>) -> Outcome<T> + Sync,
) -> Outcome<Vec<T>> {
    let threads = threads.clamp(1, count.max(1));
    let range = |index: usize| count * index / threads..count * (index + 1) / threads;
    let work = &work;
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|index| scope.spawn(move || work(range(index)))).collect();
        let first = work(range(0));
        let rest = others.into_iter().map(|other| {
            other.join().unwrap_or_else(|_| Err(Refused("a thread of the kernel panicked".into())))
        });
        std::iter::once(first).chain(rest).collect()
    })
}
