//! The table of twiddle factors: angles in units of 2 pi / 4096.

use super::double::cos_sin;
use super::{Complex, BLOCKS, VECTOR_F64};
use crate::aligned::Aligned;
use crate::lanes::{Lanes, LANES};

/// Factors of an 8-point pass: three of its radix-4 stage, four of its radix-2 stage.
const PASS: usize = 7;
/// f64 of the uniform factors of a block, padded to whole lines.
const UNIFORM_F64: usize = 16;
const BLOCK_TABLE_F64: usize = UNIFORM_F64 + PASS * VECTOR_F64;
const ROW_FACTORS: usize = 3 + 4 * 3;

/// `rows`: 3 factors of the first stage, then 3 for each of the 4 children in the second.
/// `blocks`: `[block 16]` of 7 uniform factors (re, im), padding, 7 vectors of factors (lane = child).
pub struct Twiddles {
    rows: Aligned<f64>,
    blocks: Aligned<f64>,
}

/// Where a pass finds factor `index`: one for all lanes, or one per lane.
pub trait Factors: Copy {
    /// # Safety
    /// As `Lanes`.
    unsafe fn factor<L: Lanes>(self, index: usize) -> Complex<L>;
}

#[derive(Clone, Copy)]
pub struct Uniform(*const f64);

#[derive(Clone, Copy)]
pub struct PerLane(*const f64);

impl Factors for Uniform {
    #[inline(always)]
    unsafe fn factor<L: Lanes>(self, index: usize) -> Complex<L> {
        unsafe {
            let at = self.0.add(2 * index);
            Complex { re: L::splat(at), im: L::splat(at.add(1)) }
        }
    }
}

impl Factors for PerLane {
    #[inline(always)]
    unsafe fn factor<L: Lanes>(self, index: usize) -> Complex<L> {
        unsafe { Complex::load(self.0.add(VECTOR_F64 * index)) }
    }
}

impl Default for Twiddles {
    fn default() -> Self {
        Self::new()
    }
}

impl Twiddles {
    pub fn new() -> Self {
        let mut rows = Aligned::zeroed(2 * ROW_FACTORS + 2);
        // X^(N/2) - i: the root has the angle of a quarter turn, 1024
        put_radix4(&mut rows, 0, 1024 / 4);
        for child in 0..4 {
            put_radix4(&mut rows, 3 + 3 * child, (256 + 1024 * child as i64) / 4);
        }
        let mut blocks = Aligned::zeroed(BLOCKS * BLOCK_TABLE_F64);
        for (block, table) in blocks.chunks_exact_mut(BLOCK_TABLE_F64).enumerate() {
            fill_block(table, block as i64);
        }
        Self { rows, blocks }
    }

    /// Factors of the first stage over rows.
    #[inline(always)]
    pub fn first_rows(&self) -> Uniform {
        Uniform(self.rows.as_ptr())
    }

    /// Factors of the second stage over the rows of a child.
    #[inline(always)]
    pub fn second_rows(&self, child: usize) -> Uniform {
        debug_assert!(child < 4);
        Uniform(self.rows.as_ptr().wrapping_add(2 * (3 + 3 * child)))
    }

    /// Factors of the pass across the vectors of a block.
    #[inline(always)]
    pub fn across(&self, block: usize) -> Uniform {
        Uniform(self.table(block))
    }

    /// Factors of the pass behind the transposition of a block.
    #[inline(always)]
    pub fn within(&self, block: usize) -> PerLane {
        PerLane(self.table(block).wrapping_add(UNIFORM_F64))
    }

    #[inline(always)]
    fn table(&self, block: usize) -> *const f64 {
        debug_assert!(block < BLOCKS);
        self.blocks.as_ptr().wrapping_add(BLOCK_TABLE_F64 * block)
    }
}

fn put(table: &mut [f64], index: usize, angle: i64) {
    let (cos, sin) = cos_sin(angle);
    table[2 * index] = cos;
    table[2 * index + 1] = sin;
}

/// The factors e^(i m angle), m = 1..4, of a radix-4 stage; `angle` is a quarter of the factor's.
fn put_radix4(table: &mut [f64], first: usize, angle: i64) {
    for m in 1..4 {
        put(table, first + m as usize - 1, m * angle);
    }
}

fn fill_block(table: &mut [f64], block: i64) {
    // angle of the block: (1024 + 4096 k1)/16 + 1024 k2 with block = 4 k1 + k2; a quarter of it
    let quarter = 16 + 64 * (block / 4) + 256 * (block % 4);
    put_radix4(table, 0, quarter);
    for child in 0..4 {
        put(table, 3 + child as usize, quarter / 2 + 512 * child);
        for grandchild in 0..2 {
            let lane = (2 * child + grandchild) as usize;
            fill_lane(&mut table[UNIFORM_F64..], lane, quarter / 8 + 128 * child + 512 * grandchild);
        }
    }
}

/// Column `lane` of the vectors of factors of a child; `quarter` is a quarter of the child's angle.
fn fill_lane(vectors: &mut [f64], lane: usize, quarter: i64) {
    let mut set = |index: usize, angle: i64| {
        let (cos, sin) = cos_sin(angle);
        vectors[VECTOR_F64 * index + lane] = cos;
        vectors[VECTOR_F64 * index + LANES + lane] = sin;
    };
    for m in 1..4 {
        set(m as usize - 1, m * quarter);
    }
    for child in 0..4 {
        set(3 + child as usize, quarter / 2 + 512 * child);
    }
}
