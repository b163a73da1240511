//! A key word as four numbers: bits 0 to 73 in one, then three times 18 bits; all but the last are signed, so that
//! each carries into the next.

use super::accumulator::DROPPED_BITS;
use super::LIMBS;
use crate::parameters::HALF;

const WIDE_BITS: u32 = 74;
const NARROW_BITS: u32 = 18;

/// Limb 0 comes in units of the accumulator's last bit, the others in units of their own last bit; all of them over
/// N/2, which the unscaled inverse transform multiplies in again. Only limb 0 is rounded.
pub fn limbs(word: u128) -> [f64; LIMBS] {
    let scale = 1.0 / HALF as f64;
    let low = (word << (u128::BITS - WIDE_BITS)) as i128 >> (u128::BITS - WIDE_BITS);
    let mut rest = (word.wrapping_sub(low as u128) >> WIDE_BITS) as u64;
    let mut limbs = [low as f64 * (scale / (1u64 << DROPPED_BITS) as f64); LIMBS];
    for limb in &mut limbs[1..] {
        let narrow = (rest << (u64::BITS - NARROW_BITS)) as i64 >> (u64::BITS - NARROW_BITS);
        rest = rest.wrapping_sub(narrow as u64) >> NARROW_BITS;
        *limb = narrow as f64 * scale;
    }
    limbs
}
