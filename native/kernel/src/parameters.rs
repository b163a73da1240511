//! The parameter set that the kernel is built for: TFHE-rs `PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128`.
//!
//! The dimension n of the small key is not fixed here: it is 918 for computing and 1024 for decompression, and
//! tests use less.

/// Coefficients of a polynomial; the ring is Z[X]/(X^N + 1).
pub const N: usize = 2048;
/// Complex points of its transform: X^N + 1 = (X^(N/2) - i)(X^(N/2) + i), and one factor is enough.
pub const HALF: usize = N / 2;
/// Polynomials of a GLWE ciphertext: one mask and the body.
pub const COLUMNS: usize = 2;
/// Words of an LWE ciphertext under the big key: N mask words, then the body.
pub const BIG_LWE: usize = N + 1;

/// Bits of the one digit that a bootstrap takes from an accumulator coefficient.
pub const DIGIT_BITS: u32 = 23;
/// An accumulator keeps the upper 32 bits of the torus: the rounding adds 2^-23.8 to a noise of 2^-14.8.
pub const ACCUMULATOR_BITS: u32 = 32;

/// Bits of a digit of the keyswitch.
pub const KEYSWITCH_BASE_LOG: u32 = 4;
/// Bits of the one digit of the keyswitch that re-randomises.
pub const RE_RANDOMISING_BASE_LOG: u32 = 24;
/// A keyswitch has at most this many digits per mask word: four bytes make one 32-bit dot product.
pub const MAX_LEVELS: usize = 4;

/// log2(2N): rotation amounts are counted modulo the order of X.
pub const EXPONENT_BITS: u32 = 12;
