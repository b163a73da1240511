//! From the torus to rotation amounts, with the rounding errors of the mask compensated in the body (de Ruijter,
//! D'Anvers, Verbauwhede, "Don't be mean: reducing approximation noise in TFHE through mean compensation", 2025).

use crate::parameters::EXPONENT_BITS;

const DROPPED_BITS: u32 = u64::BITS - EXPONENT_BITS;
const HALF_UNIT: u64 = 1 << (DROPPED_BITS - 1);
const EXPONENT_MASK: u64 = (1 << EXPONENT_BITS) - 1;

/// Rotation amounts below 2N of one LWE ciphertext: n of the mask, then the body's.
///
/// A mask word is rounded and leaves an error e_i; the key bit s_i is one half of the time, so half of the sum of
/// the errors is expected in the phase and is taken out of the body. The body is cut, not rounded: the boxes of a
/// table are [-64, 64), and cutting leaves the same margin on both sides.
pub fn switch_modulus(lwe: &[u64], amounts: &mut [u16]) {
    debug_assert!(lwe.len() == amounts.len());
    let Some((&body, mask)) = lwe.split_last() else { return };
    let mut error_sum = 0i64;
    for (amount, &word) in amounts.iter_mut().zip(mask) {
        let rounded = word.wrapping_add(HALF_UNIT) >> DROPPED_BITS & EXPONENT_MASK;
        error_sum = error_sum.wrapping_add(word.wrapping_sub(rounded << DROPPED_BITS) as i64);
        *amount = rounded as u16;
    }
    // arithmetic shift: rounds down
    let centred = body.wrapping_sub((error_sum >> 1) as u64);
    amounts[mask.len()] = (centred >> DROPPED_BITS) as u16;
}
