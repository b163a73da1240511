//! Noise squashing: the bootstrap to 128-bit words, which leaves a decryption network room to flood the noise.
//!
//! The output is under a GLWE key of two polynomials, with words modulo 2^128. What makes binary64 enough for them
//! is that only bits above the noise of 2^64 have to be exact: a key word is cut into one wide limb of its lowest
//! 74 bits, whose rounded products err far below the noise, and three limbs of 18 bits, whose products are so
//! small that their sums round to the right integers (the distance from an integer is 0.02, one half is 24
//! standard deviations away). Equal operations in equal order give equal bits, as everywhere in the kernel.

mod accumulator;
mod digits;
pub mod key;
mod lanes;
mod limbs;
pub mod packing;
mod rotation;
mod step;
mod transform;
mod word_product;

pub use accumulator::Accumulators;
pub use rotation::{blind_rotate, squash, Scratch};

use crate::fourier::{BLOCKS, BLOCK_F64, BLOCK_VECTORS, POLYNOMIAL_F64};
use crate::parameters::N;

/// Polynomials of a GLWE ciphertext: two masks and the body.
pub const COLUMNS: usize = 3;
/// Digits of 24 bits that a coefficient is cut into, most significant first.
pub const LEVELS: usize = 3;
/// Rows of a GGSW ciphertext: 3 x polynomial + level.
pub const ROWS: usize = COLUMNS * LEVELS;
/// Numbers into which a key word is cut.
pub const LIMBS: usize = 4;
/// Polynomials that a step multiplies out: 4 x column + limb.
const OUTPUTS: usize = COLUMNS * LIMBS;
/// Words of an output ciphertext: two mask polynomials flattened, then the body.
pub const SQUASHED_LWE: usize = (COLUMNS - 1) * N + 1;

/// f64 of a row in work, and of a transformed polynomial in the area: padded, because twelve streams whose distance
/// is a power of two fall into one set of the cache.
const ROW_F64: usize = BLOCK_F64 + 8;
const WORK_F64: usize = BLOCKS * ROW_F64;
const SLOT_F64: usize = POLYNOMIAL_F64 + 16;
/// f64 of the transformed polynomials of one ciphertext.
const AREA_F64: usize = OUTPUTS * SLOT_F64 + 64;
/// Vectors of eight frequencies.
const VECTORS: usize = BLOCKS * BLOCK_VECTORS;
