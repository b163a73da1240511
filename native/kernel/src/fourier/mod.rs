//! The transform of Z[X]/(X^N + 1): c_j = a_j + i a_(j + N/2) in C[X]/(X^(N/2) - i), split 4 4 4 2 4 2 ways.
//!
//! A factor with root e^(i t) splits R ways: group m of coefficients times e^(i m t/R), then a plain DFT of size
//! R; child k has the angle (t + 2 pi k)/R. The negacyclic twist is thus part of the twiddles, no pass of its own.
//! What is fixed for all devices is this graph of operations: any schedule and any vector width that evaluates it
//! gives the same bits.
//!
//! A polynomial in work: `[row 16][vector 8][re 8 lanes, im 8 lanes]` f64, 2048 in all. Its six stages are two over
//! the rows (`rows`) and four inside each row, which is a block of 64 points from then on (`blocks`).

mod blocks;
mod butterfly;
mod complex;
mod double;
mod rows;
mod twiddles;

pub(crate) use blocks::{external_product, forward_blocks, Prefetch};
pub(crate) use blocks::{forward_across, forward_within, inverse_across, inverse_within};
pub(crate) use butterfly::{inverse_radix4, radix4, radix4_factors, unroll};
pub(crate) use complex::{Complex, VECTOR_F64};
pub use double::cos_sin;
pub(crate) use rows::{accumulate_rows, forward_rows, Coefficients};
pub(crate) use rows::{forward_second_rows, inverse_second_rows, load4, store4, FOUR_ROWS, ROW_COEFFICIENTS};
pub(crate) use twiddles::Twiddles;

/// Blocks of a polynomial, and vectors of a block.
pub(crate) const BLOCKS: usize = 16;
pub(crate) const BLOCK_VECTORS: usize = 8;
/// f64 of one block and of one polynomial.
pub(crate) const BLOCK_F64: usize = BLOCK_VECTORS * VECTOR_F64;
pub(crate) const POLYNOMIAL_F64: usize = BLOCKS * BLOCK_F64;
