//! The bootstrap key: n GGSW ciphertexts of the bits of the small key, transformed.

use crate::aligned::{Aligned, LINE_BYTES};
use crate::error::{require, require_length, Outcome};
use crate::fourier::{forward_blocks, forward_rows, Coefficients, Complex, Twiddles};
use crate::fourier::{BLOCKS, BLOCK_VECTORS, POLYNOMIAL_F64, VECTOR_F64};
use crate::key_bytes::{Foreign, KeyBytes, Magic};
use crate::lanes::Lanes;
use crate::parameters::{ACCUMULATOR_BITS, COLUMNS, HALF, N};
use crate::path::{on_path, Path};

const MAGIC: &Magic = b"CSBSK\0\x01\0";
/// Rows of a GGSW ciphertext with one level: one per column.
const ROWS: usize = COLUMNS;
/// f64 of a transformed GGSW ciphertext, 64 KB.
pub const STEP_F64: usize = ROWS * COLUMNS * POLYNOMIAL_F64;
/// Torus words of a GGSW ciphertext.
pub const STEP_WORDS: usize = ROWS * COLUMNS * N;
/// More than any parameter set has; bounds the sizes computed from a header.
const MAX_DIMENSION: usize = 1 << 16;

/// `[step n][block 16][column 2][vector 8][row 2][re 8, im 8]` f64: exactly the order in which it is used.
pub struct BootstrapKey {
    dimension: usize,
    bytes: KeyBytes,
    pub(crate) twiddles: Twiddles,
}

impl BootstrapKey {
    /// Transforms a key in the standard domain, TFHE-rs's `[n][row 2][column 2][N]` torus words.
    pub fn prepare(standard: &[u64], dimension: usize, path: Path) -> Outcome<Self> {
        require_dimension(dimension)?;
        require_length("the bootstrap key", standard.len(), dimension * STEP_WORDS)?;
        let shape = [dimension as u64, N as u64, 0, 0, 0];
        let mut bytes = KeyBytes::zeroed(MAGIC, &shape, dimension * STEP_F64 * size_of::<f64>());
        let twiddles = Twiddles::new();
        let mut work = Aligned::zeroed(POLYNOMIAL_F64);
        let steps = bytes.payload_f64_mut().chunks_exact_mut(STEP_F64);
        for (step, ggsw) in steps.zip(standard.chunks_exact(STEP_WORDS)) {
            for (place, polynomial) in ggsw.chunks_exact(N).enumerate() {
                transform(polynomial, &mut work, &twiddles, path);
                spread(&work, step, place / COLUMNS, place % COLUMNS);
            }
        }
        Ok(Self { dimension, bytes, twiddles })
    }

    /// A prepared key, without a copy where the bytes lie on a cache line.
    pub fn attach(bytes: impl Foreign + 'static) -> Outcome<Self> {
        let bytes = KeyBytes::attach(bytes);
        let [dimension, polynomial_size, ..] = bytes.shape(MAGIC)?.map(|field| field as usize);
        require(polynomial_size == N, || format!("a bootstrap key for N = {polynomial_size}"))?;
        require_dimension(dimension)?;
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

    pub(crate) fn steps(&self) -> &[f64] {
        self.bytes.payload_f64()
    }
}

fn require_dimension(dimension: usize) -> Outcome<()> {
    require((1..=MAX_DIMENSION).contains(&dimension), || format!("an LWE dimension of {dimension}"))
}

/// A key polynomial as signed integers, scaled so that products with digits, after the unscaled inverse transform,
/// come out in accumulator units: 2^-(64 - 32) / 1024, an exact power of two.
struct KeyPolynomial<'a>(&'a [f64]);

impl<L: Lanes> Coefficients<L> for KeyPolynomial<'_> {
    #[inline(always)]
    unsafe fn points(&self, first: usize) -> Complex<L> {
        unsafe {
            let from = self.0.as_ptr().add(first);
            Complex { re: L::load(from), im: L::load(from.add(HALF)) }
        }
    }
}

fn transform(polynomial: &[u64], work: &mut Aligned<f64>, twiddles: &Twiddles, path: Path) {
    let scale = 1.0 / (HALF as f64 * 2f64.powi((u64::BITS - ACCUMULATOR_BITS) as i32));
    let mut scaled = Aligned::<f64>::zeroed(N);
    for (number, &word) in scaled.iter_mut().zip(polynomial) {
        *number = word as i64 as f64 * scale;
    }
    let (source, work) = (KeyPolynomial(&scaled), work.as_mut_ptr());
    on_path!(path, forward::<_>(source: KeyPolynomial<'_>, work: *mut f64, twiddles: &Twiddles));
}

#[inline(always)]
unsafe fn forward<L: Lanes>(source: KeyPolynomial<'_>, work: *mut f64, twiddles: &Twiddles) {
    unsafe {
        forward_rows::<L>(&source, work, twiddles);
        forward_blocks::<L>(work, twiddles);
    }
}

/// Puts a transformed polynomial where the product will read it.
fn spread(work: &[f64], step: &mut [f64], row: usize, column: usize) {
    for (place, vector) in work.chunks_exact(VECTOR_F64).enumerate() {
        let (block, index) = (place / BLOCK_VECTORS, place % BLOCK_VECTORS);
        let at = (((block * COLUMNS + column) * BLOCK_VECTORS + index) * ROWS + row) * VECTOR_F64;
        step[at..at + VECTOR_F64].copy_from_slice(vector);
    }
}

const _: () = assert!(BLOCKS * BLOCK_VECTORS * VECTOR_F64 == POLYNOMIAL_F64 && POLYNOMIAL_F64 == N);
const _: () = assert!((VECTOR_F64 * size_of::<f64>()).is_multiple_of(LINE_BYTES));
