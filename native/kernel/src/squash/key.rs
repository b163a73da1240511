//! The squashing key: n GGSW ciphertexts of 128-bit words, cut into limbs and transformed.

use super::limbs::limbs;
use super::step::{KEY_ROW_F64, KEY_VECTOR_F64};
use super::transform::{finish_forward, number_rows};
use super::{COLUMNS, LEVELS, LIMBS, ROWS, SLOT_F64, VECTORS, WORK_F64};
use crate::aligned::Aligned;
use crate::error::{require, require_length, Outcome};
use crate::fourier::{Twiddles, VECTOR_F64};
use crate::key_bytes::{header, Foreign, KeyBytes, Magic, Shape, HEADER_BYTES};
use crate::lanes::Lanes;
use crate::parameters::N;
use crate::path::{on_path, Path};

const MAGIC: &Magic = b"CSSQK\0\x01\0";
/// f64 of a transformed GGSW ciphertext, 1.8 MB.
pub const STEP_F64: usize = VECTORS * KEY_VECTOR_F64;
/// Torus words of a GGSW ciphertext.
pub const STEP_WORDS: usize = ROWS * COLUMNS * N;
/// More than any parameter set has; bounds the sizes computed from a header.
const MAX_DIMENSION: usize = 1 << 16;

/// `[step n][vector 128][row 9][column 3][limb 4][re 8, im 8]` f64: exactly the order in which it is used.
pub struct SquashingKey {
    dimension: usize,
    bytes: KeyBytes,
    pub(super) twiddles: Twiddles,
}

impl SquashingKey {
    /// Transforms a key in the standard domain, as `transform_steps` takes it.
    pub fn prepare(standard: &[u128], dimension: usize, path: Path) -> Outcome<Self> {
        require_length("the squashing key", standard.len(), dimension * STEP_WORDS)?;
        let mut bytes = KeyBytes::zeroed(MAGIC, &shape(dimension)?, dimension * STEP_F64 * size_of::<f64>());
        let twiddles = Twiddles::new();
        transform_into(standard, bytes.payload_f64_mut(), &twiddles, path);
        Ok(Self { dimension, bytes, twiddles })
    }

    /// A prepared key, without a copy where the bytes lie on a cache line.
    pub fn attach(bytes: impl Foreign + 'static) -> Outcome<Self> {
        let bytes = KeyBytes::attach(bytes);
        let found = bytes.shape(MAGIC)?;
        let dimension = found[0] as usize;
        require(found == shape(dimension)?, || format!("a squashing key of another shape: {found:?}"))?;
        bytes.require_payload(dimension * STEP_F64 * size_of::<f64>())?;
        Ok(Self { dimension, bytes, twiddles: Twiddles::new() })
    }

    /// What `attach` takes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.bytes()
    }

    /// n, the number of steps of a blind rotation.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    pub(super) fn steps(&self) -> &[f64] {
        self.bytes.payload_f64()
    }
}

/// What stands in front of the steps of a key that is written piece by piece: it needs twice the standard key's room.
pub fn key_header(dimension: usize) -> Outcome<[u8; HEADER_BYTES]> {
    Ok(header(MAGIC, &shape(dimension)?, dimension * STEP_F64 * size_of::<f64>()))
}

/// Some steps of a key, from TFHE-rs's `[step][level 3][row 3][column 3][N]`, least significant level first.
pub fn transform_steps(standard: &[u128], path: Path) -> Outcome<Aligned<f64>> {
    let steps = standard.len() / STEP_WORDS;
    require_length("the steps of a squashing key", standard.len(), steps * STEP_WORDS)?;
    let mut transformed = Aligned::zeroed(steps * STEP_F64);
    transform_into(standard, &mut transformed, &Twiddles::new(), path);
    Ok(transformed)
}

fn shape(dimension: usize) -> Outcome<Shape> {
    require((1..=MAX_DIMENSION).contains(&dimension), || format!("an LWE dimension of {dimension}"))?;
    Ok([dimension, N, COLUMNS, LEVELS, LIMBS].map(|field| field as u64))
}

fn transform_into(standard: &[u128], transformed: &mut [f64], twiddles: &Twiddles, path: Path) {
    let mut room = Room::default();
    let steps = standard.chunks_exact(STEP_WORDS).zip(transformed.chunks_exact_mut(STEP_F64));
    for (ggsw, step) in steps {
        for (place, polynomial) in ggsw.chunks_exact(N).enumerate() {
            let (level, row, column) = (place / (COLUMNS * COLUMNS), place / COLUMNS % COLUMNS, place % COLUMNS);
            let row = LEVELS * row + (LEVELS - 1 - level);
            for limb in 0..LIMBS {
                room.transform(polynomial, limb, twiddles, path);
                spread(&room.slot, step, row, LIMBS * column + limb);
            }
        }
    }
}

/// Puts a transformed limb where the product will read it.
fn spread(slot: &[f64], step: &mut [f64], row: usize, output: usize) {
    for (place, vector) in slot.chunks_exact(VECTOR_F64).take(VECTORS).enumerate() {
        let at = place * KEY_VECTOR_F64 + row * KEY_ROW_F64 + output * VECTOR_F64;
        step[at..at + VECTOR_F64].copy_from_slice(vector);
    }
}

/// One limb of one polynomial, before, within and after its transform.
struct Room {
    numbers: Aligned<f64>,
    work: Aligned<f64>,
    slot: Aligned<f64>,
}

impl Default for Room {
    fn default() -> Self {
        let (work, slot) = (Aligned::zeroed(WORK_F64), Aligned::zeroed(SLOT_F64));
        Self { numbers: Aligned::zeroed(N), work, slot }
    }
}

impl Room {
    fn transform(&mut self, polynomial: &[u128], limb: usize, twiddles: &Twiddles, path: Path) {
        for (number, &word) in self.numbers.iter_mut().zip(polynomial) {
            *number = limbs(word)[limb];
        }
        let (numbers, work) = (self.numbers.as_ptr(), self.work.as_mut_ptr());
        let slot = self.slot.as_mut_ptr();
        on_path!(path, forward::<_>(numbers: *const f64, work: *mut f64, slot: *mut f64, twiddles: &Twiddles));
    }
}

#[inline(always)]
unsafe fn forward<L: Lanes>(numbers: *const f64, work: *mut f64, slot: *mut f64, twiddles: &Twiddles) {
    unsafe {
        number_rows::<L>(numbers, work, twiddles);
        finish_forward::<L>(work, slot, twiddles);
    }
}
