//! One ciphertext of any type that the operators store: reading, re-randomising, compressing.

use tfhe::integer::bigint::U2048;
use tfhe::prelude::*;
use tfhe::safe_serialization::safe_deserialize;
use tfhe::{
    CompactCiphertextListExpander, CompactPublicKey, CompressedCiphertextList, CompressedCiphertextListBuilder,
    FheBool, FheTypes, FheUint1024, FheUint128, FheUint16, FheUint160, FheUint2048, FheUint256, FheUint32, FheUint4,
    FheUint512, FheUint64, FheUint8, ReRandomizationContext,
};

use crate::bytes::{to_bytes, CT64_LIMIT};
use crate::errors::{Failure, Outcome};
use crate::scalar;

/// The widest type in bytes.
pub const CLEAR_BYTES: usize = 256;

/// The enum, called like the crate's own list of types, and what is looked up by type.
macro_rules! values {
    ($($variant:ident $fhe:ident $blocks:literal;)*) => {
        #[derive(Clone)]
        pub enum Value {
            $($variant($fhe),)*
        }

        /// Whether the operators store ciphertexts of that type.
        pub const fn is_stored(kind: FheTypes) -> bool {
            matches!(kind, $(FheTypes::$variant)|*)
        }

        fn element<L: CiphertextList>(list: &L, index: usize) -> tfhe::Result<Option<Value>> {
            let Some(kind) = list.get_kind_of(index) else {
                return Ok(None);
            };
            Ok(match kind {
                $(FheTypes::$variant => list.get(index)?.map(Value::$variant),)*
                _ => None,
            })
        }

        impl Value {
            pub fn type_code(&self) -> u8 {
                match self {
                    $(Self::$variant(_) => FheTypes::$variant as u8,)*
                }
            }

            /// Blocks of two bits each.
            fn blocks(&self) -> usize {
                match self {
                    $(Self::$variant(_) => $blocks,)*
                }
            }
        }
    };
}

values! {
    Bool FheBool 1;
    Uint4 FheUint4 2;
    Uint8 FheUint8 4;
    Uint16 FheUint16 8;
    Uint32 FheUint32 16;
    Uint64 FheUint64 32;
    Uint128 FheUint128 64;
    Uint160 FheUint160 80;
    Uint256 FheUint256 128;
    Uint512 FheUint512 256;
    Uint1024 FheUint1024 512;
    Uint2048 FheUint2048 1024;
}

/// Runs `$body` with the typed number inside `$value`, whichever type it is, or `$flag_body` with the Bool.
macro_rules! with_kind {
    ($value:expr, $flag:ident => $flag_body:expr, $inner:ident => $body:expr) => {
        match $value {
            $crate::value::Value::Bool($flag) => $flag_body,
            $crate::value::Value::Uint4($inner) => $body,
            $crate::value::Value::Uint8($inner) => $body,
            $crate::value::Value::Uint16($inner) => $body,
            $crate::value::Value::Uint32($inner) => $body,
            $crate::value::Value::Uint64($inner) => $body,
            $crate::value::Value::Uint128($inner) => $body,
            $crate::value::Value::Uint160($inner) => $body,
            $crate::value::Value::Uint256($inner) => $body,
            $crate::value::Value::Uint512($inner) => $body,
            $crate::value::Value::Uint1024($inner) => $body,
            $crate::value::Value::Uint2048($inner) => $body,
        }
    };
}
pub(crate) use with_kind;

/// Runs `$body` with the typed ciphertext inside `$value`, whichever type it is.
macro_rules! with_value {
    ($value:expr, $inner:ident => $body:expr) => {
        $crate::value::with_kind!($value, $inner => $body, $inner => $body)
    };
}
pub(crate) use with_value;

impl Value {
    /// Decompresses a ct64, which must be one element of exactly `fhe_type`.
    pub fn decompress(ct64: &[u8], fhe_type: u8) -> Outcome<Self> {
        let list: CompressedCiphertextList = safe_deserialize(ct64, CT64_LIMIT)
            .map_err(|error| Failure::Refused(format!("ct64 does not decode: {error}")))?;
        if list.len() != 1 {
            return Err(Failure::Refused(format!("a ct64 has one element, this one has {}", list.len())));
        }
        let value = element(&list, 0)
            .map_err(|error| Failure::Refused(format!("ct64 does not decompress: {error}")))?
            .ok_or_else(|| Failure::Refused("ct64 of a type that is not supported".to_owned()))?;
        value.checked(fhe_type).map(|()| value)
    }

    /// Refuses a value of another type.
    pub fn checked(&self, fhe_type: u8) -> Outcome<()> {
        if self.type_code() == fhe_type {
            return Ok(());
        }
        Err(Failure::Refused(format!("ct64 of type {}, expected {fhe_type}", self.type_code())))
    }

    /// Memory that its blocks take: one coefficient of eight bytes per dimension and a body.
    pub fn bytes(&self) -> usize {
        const BLOCK_BYTES: usize = (2048 + 1) * 8;
        self.blocks() * BLOCK_BYTES
    }

    pub fn expanded(list: &CompactCiphertextListExpander, index: usize) -> Outcome<Self> {
        element(list, index)
            .map_err(|error| Failure::Internal(format!("value {index} does not expand: {error}")))?
            .ok_or_else(|| Failure::Internal(format!("value {index} is of a type that is not supported")))
    }

    pub fn add_to(&self, context: &mut ReRandomizationContext) {
        with_value!(self, inner => context.add_ciphertext(inner));
    }

    pub fn re_randomize(
        &mut self,
        public: &CompactPublicKey,
        seed: tfhe::integer::ciphertext::ReRandomizationSeed,
    ) -> tfhe::Result<()> {
        with_value!(self, inner => inner.re_randomize(public, seed))
    }

    /// The stored form: a compressed list of one element, safe-serialised.
    pub fn compress(self) -> Outcome<Vec<u8>> {
        let mut builder = CompressedCiphertextListBuilder::new();
        with_value!(self, inner => builder.push(inner));
        let list = builder.build().map_err(|error| Failure::Internal(error.to_string()))?;
        to_bytes(&list, CT64_LIMIT)
    }

    /// The clear number, big-endian, of a value that was computed from trivial ones only.
    pub fn trivial_clear(&self) -> Outcome<[u8; CLEAR_BYTES]> {
        let failed = |_| Failure::Refused("the result is not trivial".to_owned());
        let clear: U2048 = with_kind!(
            self,
            flag => U2048::from(u8::from(flag.try_decrypt_trivial().map_err(failed)?)),
            inner => inner.try_decrypt_trivial().map_err(failed)?
        );
        let mut bytes = [0; CLEAR_BYTES];
        clear.copy_to_be_byte_slice(&mut bytes);
        Ok(bytes)
    }

    /// A ciphertext that hides nothing, of the low bits of a big-endian number.
    pub fn trivial(fhe_type: u8, clear: &[u8]) -> Option<Self> {
        const BOOL: u8 = FheTypes::Bool as u8;
        const UINT160: u8 = FheTypes::Uint160 as u8;
        macro_rules! number {
            ($($variant:ident $read:ident)*) => {{
                $(
                    if fhe_type == FheTypes::$variant as u8 {
                        return Some(Self::$variant(FheTrivialEncrypt::encrypt_trivial(scalar::$read(clear))));
                    }
                )*
                None
            }};
        }
        match fhe_type {
            // The last byte only, unlike a scalar Bool.
            BOOL => Some(Self::Bool(FheBool::encrypt_trivial(scalar::uint8(clear) > 0))),
            // By way of 256 bits, as the operators do.
            UINT160 => Some(Self::Uint160(FheUint256::encrypt_trivial(scalar::uint256(clear)).cast_into())),
            _ => number!(
                Uint4 uint8 Uint8 uint8 Uint16 uint16 Uint32 uint32 Uint64 uint64 Uint128 uint128 Uint256 uint256
                Uint512 uint512 Uint1024 uint1024 Uint2048 uint2048
            ),
        }
    }
}
