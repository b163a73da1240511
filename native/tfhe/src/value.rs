//! One ciphertext of any type that the protocol stores: reading, re-randomising, compressing.

use tfhe::prelude::*;
use tfhe::safe_serialization::safe_deserialize;
use tfhe::{
    CompactCiphertextListExpander, CompactPublicKey, CompressedCiphertextList, CompressedCiphertextListBuilder,
    FheBool, FheTypes, FheUint128, FheUint16, FheUint160, FheUint256, FheUint32, FheUint64, FheUint8,
    ReRandomizationContext,
};

use crate::bytes::{to_bytes, CT64_LIMIT};
use crate::errors::{Failure, Outcome};

#[derive(Clone)]
pub enum Value {
    Bool(FheBool),
    Uint8(FheUint8),
    Uint16(FheUint16),
    Uint32(FheUint32),
    Uint64(FheUint64),
    Uint128(FheUint128),
    Uint160(FheUint160),
    Uint256(FheUint256),
}

/// Runs `$body` with the typed ciphertext inside `$value`, whichever type it is.
macro_rules! with_value {
    ($value:expr, $inner:ident => $body:expr) => {
        match $value {
            $crate::value::Value::Bool($inner) => $body,
            $crate::value::Value::Uint8($inner) => $body,
            $crate::value::Value::Uint16($inner) => $body,
            $crate::value::Value::Uint32($inner) => $body,
            $crate::value::Value::Uint64($inner) => $body,
            $crate::value::Value::Uint128($inner) => $body,
            $crate::value::Value::Uint160($inner) => $body,
            $crate::value::Value::Uint256($inner) => $body,
        }
    };
}
pub(crate) use with_value;

/// Whether the protocol stores ciphertexts of that type.
pub const fn is_stored(kind: FheTypes) -> bool {
    matches!(
        kind,
        FheTypes::Bool
            | FheTypes::Uint8
            | FheTypes::Uint16
            | FheTypes::Uint32
            | FheTypes::Uint64
            | FheTypes::Uint128
            | FheTypes::Uint160
            | FheTypes::Uint256
    )
}

fn element<L: CiphertextList>(list: &L, index: usize) -> tfhe::Result<Option<Value>> {
    let Some(kind) = list.get_kind_of(index) else {
        return Ok(None);
    };
    Ok(match kind {
        FheTypes::Bool => list.get(index)?.map(Value::Bool),
        FheTypes::Uint8 => list.get(index)?.map(Value::Uint8),
        FheTypes::Uint16 => list.get(index)?.map(Value::Uint16),
        FheTypes::Uint32 => list.get(index)?.map(Value::Uint32),
        FheTypes::Uint64 => list.get(index)?.map(Value::Uint64),
        FheTypes::Uint128 => list.get(index)?.map(Value::Uint128),
        FheTypes::Uint160 => list.get(index)?.map(Value::Uint160),
        FheTypes::Uint256 => list.get(index)?.map(Value::Uint256),
        _ => None,
    })
}

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

    /// Memory that its blocks take: two bits each, one coefficient of eight bytes per dimension and a body.
    pub fn bytes(&self) -> usize {
        const BLOCK_BYTES: usize = (2048 + 1) * 8;
        let blocks = match self {
            Self::Bool(_) => 1,
            Self::Uint8(_) => 4,
            Self::Uint16(_) => 8,
            Self::Uint32(_) => 16,
            Self::Uint64(_) => 32,
            Self::Uint128(_) => 64,
            Self::Uint160(_) => 80,
            Self::Uint256(_) => 128,
        };
        blocks * BLOCK_BYTES
    }

    pub fn expanded(list: &CompactCiphertextListExpander, index: usize) -> Outcome<Self> {
        element(list, index)
            .map_err(|error| Failure::Internal(format!("value {index} does not expand: {error}")))?
            .ok_or_else(|| Failure::Internal(format!("value {index} is of a type that is not supported")))
    }

    pub fn type_code(&self) -> u8 {
        match self {
            Self::Bool(_) => FheTypes::Bool as u8,
            Self::Uint8(_) => FheTypes::Uint8 as u8,
            Self::Uint16(_) => FheTypes::Uint16 as u8,
            Self::Uint32(_) => FheTypes::Uint32 as u8,
            Self::Uint64(_) => FheTypes::Uint64 as u8,
            Self::Uint128(_) => FheTypes::Uint128 as u8,
            Self::Uint160(_) => FheTypes::Uint160 as u8,
            Self::Uint256(_) => FheTypes::Uint256 as u8,
        }
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
}
