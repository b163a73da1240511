//! Plaintext operands: big-endian bytes, read to the width of the encrypted operand beside them.
//!
//! One function per type, called like the type; missing high bytes are zero, longer input is cut on the left.

use tfhe::integer::bigint::{U1024, U2048, U256, U512};

/// The low `N` bytes.
pub fn low<const N: usize>(scalar: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    let kept = scalar.len().min(N);
    bytes[N - kept..].copy_from_slice(&scalar[scalar.len() - kept..]);
    bytes
}

/// Whether any byte is set: the Bool of a binary operation looks at all of them.
pub fn boolean(scalar: &[u8]) -> bool {
    scalar.iter().any(|byte| *byte != 0)
}

pub fn uint4(scalar: &[u8]) -> u8 {
    uint8(scalar) & 0x0f
}

/// 20 bytes, in the type that the crate takes beside a Uint160.
pub fn uint160(scalar: &[u8]) -> U256 {
    uint256(&low::<20>(scalar))
}

macro_rules! machine_words {
    ($($name:ident $clear:ty;)*) => {
        $(
            pub fn $name(scalar: &[u8]) -> $clear {
                <$clear>::from_be_bytes(low(scalar))
            }
        )*
    };
}

machine_words! {
    uint8 u8;
    uint16 u16;
    uint32 u32;
    uint64 u64;
    uint128 u128;
}

macro_rules! long_words {
    ($($name:ident $clear:ty, $bytes:literal;)*) => {
        $(
            pub fn $name(scalar: &[u8]) -> $clear {
                let mut value = <$clear>::from(0u8);
                value.copy_from_be_byte_slice(&low::<$bytes>(scalar));
                value
            }
        )*
    };
}

long_words! {
    uint256 U256, 32;
    uint512 U512, 64;
    uint1024 U1024, 128;
    uint2048 U2048, 256;
}

/// The exponent of a power of two; nothing for any other number.
pub fn log2(scalar: &[u8]) -> Option<u64> {
    let mut set = scalar.iter().rev().enumerate().filter(|(_, byte)| **byte != 0);
    let (position, byte) = set.next()?;
    if set.next().is_some() || !byte.is_power_of_two() {
        return None;
    }
    Some(8 * position as u64 + u64::from(byte.trailing_zeros()))
}
