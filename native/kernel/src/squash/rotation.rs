//! The blind rotation of 128-bit accumulators: steps outermost, so that the key (1.6 GB) is read once for all
//! ciphertexts, and three phases inside a step, so that one vector of the key serves all of them from the first cache.

use std::ops::Range;

use super::accumulator::continue_negacyclic;
use super::digits::{Digits, Polynomial};
use super::key::{SquashingKey, STEP_F64};
use super::lanes::{WideLanes, SIGNS};
use super::step::{multiply, KEY_VECTOR_F64, SPARE_F64};
use super::transform::{accumulate_limb, begin_inverse, digit_rows, finish_forward};
use super::{Accumulators, AREA_F64, COLUMNS, LEVELS, LIMBS, SLOT_F64, SQUASHED_LWE, VECTORS, WORK_F64};
use crate::aligned::{Aligned, LINE_BYTES};
use crate::batch::{in_parallel, switch_all};
use crate::error::{require, require_length, Outcome};
use crate::fourier::{unroll, Twiddles, VECTOR_F64};
use crate::keyswitch::KeyswitchKey;
use crate::lanes::LANES;
use crate::parameters::{BIG_LWE, N};
use crate::path::{on_path, Path};

/// Ciphertexts that share a pass over the key: more are hardly faster for each of them.
const CHUNK: usize = 32;
const LINE_F64: usize = LINE_BYTES / size_of::<f64>();

/// Room for the transforms of a batch.
pub struct Scratch {
    /// `[ciphertext][slot 12]`
    areas: Aligned<f64>,
    work: Aligned<f64>,
}

impl Scratch {
    pub fn new(batch: usize) -> Self {
        Self { areas: Aligned::zeroed(batch * AREA_F64), work: Aligned::zeroed(LEVELS * WORK_F64 + SPARE_F64) }
    }
}

/// Keyswitch, modulus switch and the rotation of the identity: `[batch][N + 1]` to `[batch][2 N + 1]`.
///
/// A block of 0..16 below its padding bit keeps its value, in units of 2^123.
pub fn squash(
    lwes: &[u64],
    keyswitch_key: &KeyswitchKey,
    key: &SquashingKey,
    threads: usize,
    path: Path,
) -> Outcome<Vec<u128>> {
    let batch = lwes.len() / BIG_LWE;
    require_length("the ciphertexts", lwes.len(), batch * BIG_LWE)?;
    require_length("a keyswitched ciphertext", keyswitch_key.columns(), key.dimension() + 1)?;
    let shares = in_parallel(batch, threads, |range| {
        let mut outputs = Vec::with_capacity(range.len() * SQUASHED_LWE);
        for first in range.clone().step_by(CHUNK) {
            let chunk = first..range.end.min(first + CHUNK);
            outputs.extend(squash_chunk(lwes, chunk, keyswitch_key, key, path)?);
        }
        Ok(outputs)
    })?;
    Ok(shares.concat())
}

fn squash_chunk(
    lwes: &[u64],
    chunk: Range<usize>,
    keyswitch_key: &KeyswitchKey,
    key: &SquashingKey,
    path: Path,
) -> Outcome<Vec<u128>> {
    let words = key.dimension() + 1;
    let mut small = vec![0; chunk.len() * words];
    keyswitch_key.switch(&lwes[chunk.start * BIG_LWE..chunk.end * BIG_LWE], &mut small, path)?;
    let amounts = switch_all(&small, key.dimension());
    let mut accumulators = Accumulators::new(chunk.len());
    for (ciphertext, amounts) in amounts.chunks_exact(words).enumerate() {
        accumulators.start(ciphertext, usize::from(amounts[words - 1]));
    }
    blind_rotate(key, &mut accumulators, &amounts, &mut Scratch::new(chunk.len()), path)?;
    let mut outputs = vec![0; chunk.len() * SQUASHED_LWE];
    for (ciphertext, lwe) in outputs.chunks_exact_mut(SQUASHED_LWE).enumerate() {
        accumulators.extract(ciphertext, lwe);
    }
    Ok(outputs)
}

/// Turns every accumulator; `exponents`: `[ciphertext][n + 1]` below 2N, of which the last has been used already.
pub fn blind_rotate(
    key: &SquashingKey,
    accumulators: &mut Accumulators,
    exponents: &[u16],
    scratch: &mut Scratch,
    path: Path,
) -> Outcome<()> {
    let batch = accumulators.count();
    require_length("the rotation amounts", exponents.len(), batch * (key.dimension() + 1))?;
    require_length("the room for transforms", scratch.areas.len(), batch * AREA_F64)?;
    require(exponents.iter().all(|&amount| usize::from(amount) < 2 * N), || {
        "a rotation amount is too large".into()
    })?;
    let batch = Batch {
        accumulators: Polynomial { high: accumulators.high.as_mut_ptr(), low: accumulators.low.as_mut_ptr() },
        count: batch,
        areas: scratch.areas.as_mut_ptr(),
        work: scratch.work.as_mut_ptr(),
        twiddles: &key.twiddles,
    };
    on_path!(path, rotate::<_>(batch: Batch<'_>, key: &SquashingKey, exponents: &[u16]));
    Ok(())
}

#[derive(Clone, Copy)]
struct Batch<'a> {
    accumulators: Polynomial,
    count: usize,
    areas: *mut f64,
    work: *mut f64,
    twiddles: &'a Twiddles,
}

#[inline(always)]
unsafe fn rotate<L: WideLanes>(batch: Batch<'_>, key: &SquashingKey, exponents: &[u16]) {
    let (dimension, steps) = (key.dimension(), key.steps().as_ptr());
    for step in 0..dimension {
        let ggsw = steps.wrapping_add(STEP_F64 * step);
        let amounts = Amounts { exponents: exponents.as_ptr().wrapping_add(step), stride: dimension + 1 };
        unsafe {
            transform_digits::<L>(batch, amounts);
            multiply_all::<L>(batch, amounts, ggsw);
            accumulate::<L>(batch, amounts);
        }
    }
}

/// The amounts of one step.
#[derive(Clone, Copy)]
struct Amounts {
    exponents: *const u16,
    stride: usize,
}

impl Amounts {
    #[inline(always)]
    unsafe fn of(self, ciphertext: usize) -> usize {
        usize::from(unsafe { *self.exponents.add(self.stride * ciphertext) })
    }
}

/// X^a p - p of every polynomial, in digits, transformed: row 3 x polynomial + level of the area.
#[inline(always)]
unsafe fn transform_digits<L: WideLanes>(batch: Batch<'_>, amounts: Amounts) {
    unsafe {
        // Opaque, or the compiler replaces the loads from this table by arithmetic on the sign.
        let signs = std::hint::black_box(SIGNS.as_ptr());
        for ciphertext in 0..batch.count {
            let amount = amounts.of(ciphertext);
            // X^0 - 1 = 0: the step would add exactly nothing
            if amount == 0 {
                continue;
            }
            let area = batch.areas.add(AREA_F64 * ciphertext);
            for column in 0..COLUMNS {
                let polynomial = Polynomial::of(batch.accumulators, ciphertext, column);
                digit_rows::<L>(Digits { polynomial, amount, signs }, batch.work, batch.twiddles);
                for level in 0..LEVELS {
                    let slot = area.add(SLOT_F64 * (LEVELS * column + level));
                    finish_forward::<L>(batch.work.add(WORK_F64 * level), slot, batch.twiddles);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn multiply_all<L: WideLanes>(batch: Batch<'_>, amounts: Amounts, ggsw: *const f64) {
    unsafe {
        let spare = batch.work.add(LEVELS * WORK_F64);
        let lines = (KEY_VECTOR_F64 / LINE_F64).div_ceil(batch.count);
        for vector in 0..VECTORS {
            let key = ggsw.add(KEY_VECTOR_F64 * vector);
            let mut next_key = key.wrapping_add(KEY_VECTOR_F64).cast::<u8>();
            for ciphertext in 0..batch.count {
                for _ in 0..lines {
                    L::prefetch_near(next_key);
                    next_key = next_key.wrapping_add(LINE_BYTES);
                }
                if amounts.of(ciphertext) == 0 {
                    continue;
                }
                if batch.count > 2 {
                    prefetch_inputs::<L>(next_inputs(batch, ciphertext, vector));
                }
                multiply::<L>(batch.areas.add(AREA_F64 * ciphertext + VECTOR_F64 * vector), key, spare);
            }
        }
    }
}

/// What is multiplied after this ciphertext at this vector.
#[inline(always)]
fn next_inputs(batch: Batch<'_>, ciphertext: usize, vector: usize) -> *const f64 {
    let last = ciphertext + 1 == batch.count;
    let (ciphertext, vector) = if last { (0, vector + 1) } else { (ciphertext + 1, vector) };
    batch.areas.wrapping_add(AREA_F64 * ciphertext + VECTOR_F64 * vector)
}

#[inline(always)]
unsafe fn prefetch_inputs<L: WideLanes>(area: *const f64) {
    unroll!(R in [0 1 2 3 4 5 6 7 8] {
        let slot = area.wrapping_add(SLOT_F64 * R);
        unsafe {
            L::prefetch_near(slot.cast());
            L::prefetch_near(slot.wrapping_add(LANES).cast());
        }
    });
}

/// The sums of every limb, transformed back, rounded and added.
#[inline(always)]
unsafe fn accumulate<L: WideLanes>(batch: Batch<'_>, amounts: Amounts) {
    unsafe {
        for ciphertext in 0..batch.count {
            if amounts.of(ciphertext) == 0 {
                continue;
            }
            let area = batch.areas.add(AREA_F64 * ciphertext);
            for column in 0..COLUMNS {
                let own = Polynomial::of(batch.accumulators, ciphertext, column);
                unroll!(LIMB in [0 1 2 3] {
                    let slot = area.add(SLOT_F64 * (LIMBS * column + LIMB));
                    begin_inverse::<L>(slot, batch.work, batch.twiddles);
                    accumulate_limb::<L, LIMB>(batch.work, own, batch.twiddles);
                });
                continue_negacyclic(own.high, own.low);
            }
        }
    }
}
