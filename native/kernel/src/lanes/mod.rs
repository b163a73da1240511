//! Eight lanes of binary64, the vector of the kernel, on each instruction set.
//!
//! Every operation is defined by IEEE 754 (round to nearest, ties to even, no contraction) or by two's
//! complement, so all implementations agree in every bit. The methods are unsafe because the caller has to be
//! compiled for the instruction set, and they take no closures: those would lose it and end as calls.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod scalar;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub use scalar::Scalar;

pub const LANES: usize = 8;
/// Bits below the digit in an accumulator word.
pub const DROPPED_BITS: i32 = 9;

pub trait Lanes: Copy {
    /// Whether the pieces of a step are interleaved. It needs 32 registers; the operations are the same.
    const PIPELINED: bool;
    type F: Copy;

    /// # Safety
    /// As for all methods: compiled for this instruction set; eight values on a 64-byte boundary.
    unsafe fn load(from: *const f64) -> Self::F;
    unsafe fn store(to: *mut f64, value: Self::F);
    unsafe fn splat(from: *const f64) -> Self::F;
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    /// a b + c with one rounding.
    unsafe fn mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// c - a b with one rounding.
    unsafe fn neg_mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// Rows become columns.
    unsafe fn transpose(rows: &mut [Self::F; LANES]);
    /// The upper 23 bits of (+-rotated - own), rounded: `Sign` has the sign and the rounding constants.
    /// Only `rotated` may be unaligned.
    unsafe fn digit(rotated: *const i32, own: *const i32, sign: *const Sign) -> Self::F;
    /// own += rint(product) modulo 2^32, for |product| < 2^62.
    unsafe fn accumulate(own: *mut i32, product: Self::F);
    /// Asks for a cache line in the second level.
    unsafe fn prefetch(line: *const u8);
}

/// How a sign and the rounding act on accumulator words: v -> (v ^ flip) - own + round.
#[repr(C, align(64))]
pub struct Sign {
    flip: [i32; LANES],
    round: [i32; LANES],
}

/// Plus, then minus; -x is (x ^ -1) + 1, exactly.
///
/// Half a unit of the digit is 256. The constant alternates with the parity of the coefficient because one sum
/// in 512 is a tie: rounding all of them up is a bias of one sign in every step, as large as the noise in the
/// end.
pub static SIGNS: [Sign; 2] = [
    Sign { flip: [0; LANES], round: [256, 255, 256, 255, 256, 255, 256, 255] },
    Sign { flip: [-1; LANES], round: [257, 256, 257, 256, 257, 256, 257, 256] },
];
