//! The four stages inside each block of 64 points, and the product with the key between them and their mirror.
//!
//! A step is cut into short pieces, each a pass over the eight vectors of a block. Pieces of different blocks do
//! not depend on each other, so their chains of operations overlap in the processor.

use super::butterfly::{eight, inverse_eight, transpose, unroll};
use super::twiddles::Twiddles;
use super::{Complex, BLOCKS, BLOCK_F64, BLOCK_VECTORS, POLYNOMIAL_F64, VECTOR_F64};
use crate::aligned::LINE_BYTES;
use crate::lanes::Lanes;
use crate::parameters::COLUMNS;

/// f64 of the key per vector of a column: two rows.
const KEY_VECTOR_F64: usize = 2 * VECTOR_F64;
const KEY_COLUMN_F64: usize = BLOCK_VECTORS * KEY_VECTOR_F64;
const KEY_BLOCK_F64: usize = COLUMNS * KEY_COLUMN_F64;

/// Lines of the next key step to ask for during this one, spread over the loop: a burst fills the miss buffers.
#[derive(Clone, Copy)]
pub struct Prefetch {
    pub start: *const u8,
    /// Lines at each of the 2 x 16 forward pieces.
    pub lines: usize,
}

impl Prefetch {
    #[inline(always)]
    unsafe fn at<L: Lanes>(self, piece: usize) {
        for line in 0..self.lines {
            // The address may lie behind the key: asking for it has no effect.
            unsafe { L::prefetch(self.start.wrapping_add(LINE_BYTES * (piece * self.lines + line))) };
        }
    }
}

/// All blocks of one polynomial forward.
#[inline(always)]
pub unsafe fn forward_blocks<L: Lanes>(work: *mut f64, twiddles: &Twiddles) {
    unsafe {
        for block in 0..BLOCKS {
            forward_across::<L>(work.add(BLOCK_F64 * block), twiddles, block);
            let at = work.add(BLOCK_F64 * block);
            forward_within::<L>(at, at, twiddles, block);
        }
    }
}

/// work = (work x key) in the Fourier domain, with the stages of the blocks before and after.
///
/// `work`: two polynomials of digits, then one spare block; `key`: `[block][column][vector][row]`.
#[inline(always)]
pub unsafe fn external_product<L: Lanes>(
    work: *mut f64,
    key: *const f64,
    twiddles: &Twiddles,
    prefetch: Prefetch,
) {
    unsafe {
        if L::PIPELINED {
            pipelined::<L>(work, key, twiddles, prefetch);
        } else {
            in_order::<L>(work, key, twiddles, prefetch);
        }
    }
}

#[inline(always)]
unsafe fn in_order<L: Lanes>(work: *mut f64, key: *const f64, twiddles: &Twiddles, prefetch: Prefetch) {
    unsafe {
        for piece in 0..COLUMNS * BLOCKS {
            prefetch.at::<L>(piece);
            forward_across::<L>(work.add(BLOCK_F64 * piece), twiddles, piece % BLOCKS);
        }
        for piece in 0..COLUMNS * BLOCKS {
            let at = work.add(BLOCK_F64 * piece);
            forward_within::<L>(at, at, twiddles, piece % BLOCKS);
        }
        for block in 0..BLOCKS {
            multiply::<L>(work, key, twiddles, block);
        }
        for block in 0..BLOCKS {
            let body = work.add(POLYNOMIAL_F64 + BLOCK_F64 * block);
            inverse_across::<L>(body, body, twiddles, block);
        }
    }
}

/// The same pieces as one loop in which neighbours belong to different blocks.
#[inline(always)]
unsafe fn pipelined<L: Lanes>(work: *mut f64, key: *const f64, twiddles: &Twiddles, prefetch: Prefetch) {
    unsafe {
        let body = work.add(POLYNOMIAL_F64);
        for beat in 0..BLOCKS + 3 {
            if beat < BLOCKS {
                prefetch.at::<L>(2 * beat);
                forward_across::<L>(work.add(BLOCK_F64 * beat), twiddles, beat);
            }
            if (2..BLOCKS + 2).contains(&beat) {
                multiply::<L>(work, key, twiddles, beat - 2);
            }
            if beat < BLOCKS {
                prefetch.at::<L>(2 * beat + 1);
                forward_across::<L>(body.add(BLOCK_F64 * beat), twiddles, beat);
            }
            if (1..BLOCKS + 1).contains(&beat) {
                let block = beat - 1;
                for at in [work.add(BLOCK_F64 * block), body.add(BLOCK_F64 * block)] {
                    forward_within::<L>(at, at, twiddles, block);
                }
            }
            if beat >= 3 {
                let block = beat - 3;
                let at = body.add(BLOCK_F64 * block);
                inverse_across::<L>(at, at, twiddles, block);
            }
        }
    }
}

/// First 4 * 2 stages of a block, across its vectors, and the transposition.
#[inline(always)]
pub unsafe fn forward_across<L: Lanes>(block: *mut f64, twiddles: &Twiddles, index: usize) {
    unsafe {
        let mut x = load_block::<L>(block);
        eight(&mut x, twiddles.across(index));
        transpose(&mut x);
        store_block(x, block);
    }
}

/// Last 4 * 2 stages.
#[inline(always)]
pub unsafe fn forward_within<L: Lanes>(from: *const f64, to: *mut f64, twiddles: &Twiddles, index: usize) {
    unsafe {
        let mut x = load_block::<L>(from);
        eight(&mut x, twiddles.within(index));
        store_block(x, to);
    }
}

/// The first inverse stages of a block.
#[inline(always)]
pub unsafe fn inverse_within<L: Lanes>(from: *const f64, to: *mut f64, twiddles: &Twiddles, index: usize) {
    unsafe {
        let mut x = load_block::<L>(from);
        inverse_eight(&mut x, twiddles.within(index));
        store_block(x, to);
    }
}

/// (p, q) -> (p k_0 + q l_0, p k_1 + q l_1) for a block of both polynomials and the first inverse stages; the
/// remaining inverse stages follow at once for column 0, later for column 1.
#[inline(always)]
unsafe fn multiply<L: Lanes>(work: *mut f64, key: *const f64, twiddles: &Twiddles, index: usize) {
    unsafe {
        let (mask, spare) = (work.add(BLOCK_F64 * index), work.add(COLUMNS * POLYNOMIAL_F64));
        let body = mask.add(POLYNOMIAL_F64);
        let key = key.add(KEY_BLOCK_F64 * index);
        let column = multiply_column::<L>(mask, body, key, twiddles, index);
        store_block(column, spare);
        let column = multiply_column::<L>(mask, body, key.add(KEY_COLUMN_F64), twiddles, index);
        store_block(column, body);
        inverse_across::<L>(spare, mask, twiddles, index);
    }
}

#[inline(always)]
unsafe fn multiply_column<L: Lanes>(
    mask: *const f64,
    body: *const f64,
    key: *const f64,
    twiddles: &Twiddles,
    index: usize,
) -> [Complex<L>; 8] {
    unsafe {
        let mut x = [
            multiply_vector(mask, body, key, 0),
            multiply_vector(mask, body, key, 1),
            multiply_vector(mask, body, key, 2),
            multiply_vector(mask, body, key, 3),
            multiply_vector(mask, body, key, 4),
            multiply_vector(mask, body, key, 5),
            multiply_vector(mask, body, key, 6),
            multiply_vector(mask, body, key, 7),
        ];
        inverse_eight(&mut x, twiddles.within(index));
        x
    }
}

#[inline(always)]
unsafe fn multiply_vector<L: Lanes>(
    mask: *const f64,
    body: *const f64,
    key: *const f64,
    vector: usize,
) -> Complex<L> {
    unsafe {
        let (at, key) = (VECTOR_F64 * vector, key.add(KEY_VECTOR_F64 * vector));
        let (k, l) = (Complex::load(key), Complex::load(key.add(VECTOR_F64)));
        Complex::dot(Complex::load(mask.add(at)), k, Complex::load(body.add(at)), l)
    }
}

/// The transposition back and the last inverse stages of a block.
#[inline(always)]
pub unsafe fn inverse_across<L: Lanes>(from: *const f64, to: *mut f64, twiddles: &Twiddles, index: usize) {
    unsafe {
        let mut x = load_block::<L>(from);
        transpose(&mut x);
        inverse_eight(&mut x, twiddles.across(index));
        store_block(x, to);
    }
}

#[inline(always)]
unsafe fn load_block<L: Lanes>(from: *const f64) -> [Complex<L>; BLOCK_VECTORS] {
    unsafe {
        [
            Complex::load(from),
            Complex::load(from.add(VECTOR_F64)),
            Complex::load(from.add(2 * VECTOR_F64)),
            Complex::load(from.add(3 * VECTOR_F64)),
            Complex::load(from.add(4 * VECTOR_F64)),
            Complex::load(from.add(5 * VECTOR_F64)),
            Complex::load(from.add(6 * VECTOR_F64)),
            Complex::load(from.add(7 * VECTOR_F64)),
        ]
    }
}

#[inline(always)]
unsafe fn store_block<L: Lanes>(x: [Complex<L>; BLOCK_VECTORS], to: *mut f64) {
    unsafe {
        unroll!(K in [0 1 2 3 4 5 6 7] { x[K].store(to.add(K * VECTOR_F64)); });
    }
}
