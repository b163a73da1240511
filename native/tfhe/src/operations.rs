//! The protocol's operations as rows: opcode, name and the function that applies the crate's operator.
//!
//! Rust has no loop over types, so each row is made by a macro from the operator and the list of types it takes.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use tfhe::prelude::*;
use tfhe::integer::U256;
use tfhe::{FheBool, FheUint128, FheUint16, FheUint160, FheUint256, FheUint32, FheUint64, FheUint8};

use crate::errors::{Failure, Outcome};
use crate::value::Value;

pub enum Operand {
    Encrypted(Value),
    Scalar(PyBackedBytes),
}

type Apply = fn(&[Operand]) -> Outcome<Value>;

struct Row {
    opcode: u8,
    name: &'static str,
    apply: Apply,
}

const ROWS: &[Row] = &[
    Row { opcode: 0, name: "add", apply: add },
    Row { opcode: 1, name: "sub", apply: sub },
    Row { opcode: 5, name: "and", apply: and },
    Row { opcode: 12, name: "eq", apply: eq },
    Row { opcode: 14, name: "ge", apply: ge },
    Row { opcode: 16, name: "le", apply: le },
    Row { opcode: 24, name: "trivial_encrypt", apply: trivial_encrypt },
    Row { opcode: 25, name: "if_then_else", apply: if_then_else },
];

/// Opcode and name of every operation that `ComputeKey.execute` knows.
#[pyfunction]
pub fn opcodes() -> Vec<(u8, &'static str)> {
    ROWS.iter().map(|row| (row.opcode, row.name)).collect()
}

pub fn apply(opcode: u8, operands: &[Operand]) -> Outcome<Value> {
    let row = ROWS
        .iter()
        .find(|row| row.opcode == opcode)
        .ok_or_else(|| Failure::Refused(format!("unknown operation {opcode}")))?;
    (row.apply)(operands)
}

fn unsupported(name: &str) -> Outcome<Value> {
    Err(Failure::Refused(format!("{name}: operands of these types or this number are not supported")))
}

/// The low `N` bytes of a big-endian scalar: missing high bytes are zero, longer input is cut on the left.
fn low<const N: usize>(scalar: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    let kept = scalar.len().min(N);
    bytes[N - kept..].copy_from_slice(&scalar[scalar.len() - kept..]);
    bytes
}

fn truth(scalar: &[u8]) -> bool {
    scalar.iter().any(|byte| *byte != 0)
}

fn wide(scalar: &[u8]) -> U256 {
    let mut value = U256::from(0u8);
    value.copy_from_be_byte_slice(&low::<32>(scalar));
    value
}

macro_rules! wrapped {
    (same, $variant:ident, $result:expr) => {
        Value::$variant($result)
    };
    (flag, $variant:ident, $result:expr) => {
        Value::Bool($result)
    };
}

/// A binary operator on unsigned integers, and on Bool if asked; the right operand may be a scalar.
macro_rules! binary {
    ($name:ident, $kind:ident, |$left:ident, $right:ident| $body:expr $(, $boolean:ident)?) => {
        binary!(@rows $name, $kind, $left, $right, $body,
            [Uint8 u8, Uint16 u16, Uint32 u32, Uint64 u64, Uint128 u128] $(, $boolean)?);
    };
    (@rows $name:ident, $kind:ident, $left:ident, $right:ident, $body:expr, [$($variant:ident $clear:ty),*] $(, $boolean:ident)?) => {
        fn $name(operands: &[Operand]) -> Outcome<Value> {
            match operands {
                $(
                    [Operand::Encrypted(Value::$variant($left)), Operand::Encrypted(Value::$variant($right))] => {
                        Ok(wrapped!($kind, $variant, $body))
                    }
                    [Operand::Encrypted(Value::$variant($left)), Operand::Scalar(scalar)] => {
                        let $right = <$clear>::from_be_bytes(low(scalar));
                        Ok(wrapped!($kind, $variant, $body))
                    }
                )*
                $(
                    [Operand::Encrypted(Value::$boolean($left)), Operand::Encrypted(Value::$boolean($right))] => {
                        Ok(Value::Bool($body))
                    }
                    [Operand::Encrypted(Value::$boolean($left)), Operand::Scalar(scalar)] => {
                        let $right = truth(scalar);
                        Ok(Value::Bool($body))
                    }
                )?
                _ => unsupported(stringify!($name)),
            }
        }
    };
}

binary!(add, same, |left, right| left + right);
binary!(sub, same, |left, right| left - right);
binary!(and, same, |left, right| left & right, Bool);
binary!(eq, flag, |left, right| left.eq(right), Bool);
binary!(ge, flag, |left, right| left.ge(right));
binary!(le, flag, |left, right| left.le(right));

macro_rules! select_rows {
    ($operands:expr, [$($variant:ident),*]) => {
        match $operands {
            $(
                [Operand::Encrypted(Value::Bool(control)), Operand::Encrypted(Value::$variant(yes)), Operand::Encrypted(Value::$variant(no))] => {
                    Ok(Value::$variant(control.select(yes, no)))
                }
            )*
            _ => unsupported("if_then_else"),
        }
    };
}

fn if_then_else(operands: &[Operand]) -> Outcome<Value> {
    select_rows!(operands, [Bool, Uint8, Uint16, Uint32, Uint64, Uint128, Uint160, Uint256])
}

fn trivial_encrypt(operands: &[Operand]) -> Outcome<Value> {
    let [Operand::Scalar(scalar), Operand::Scalar(fhe_type)] = operands else {
        return unsupported("trivial_encrypt");
    };
    Ok(match low::<1>(fhe_type)[0] {
        0 => Value::Bool(FheBool::encrypt_trivial(low::<1>(scalar)[0] > 0)),
        2 => Value::Uint8(FheUint8::encrypt_trivial(u8::from_be_bytes(low(scalar)))),
        3 => Value::Uint16(FheUint16::encrypt_trivial(u16::from_be_bytes(low(scalar)))),
        4 => Value::Uint32(FheUint32::encrypt_trivial(u32::from_be_bytes(low(scalar)))),
        5 => Value::Uint64(FheUint64::encrypt_trivial(u64::from_be_bytes(low(scalar)))),
        6 => Value::Uint128(FheUint128::encrypt_trivial(u128::from_be_bytes(low(scalar)))),
        7 => Value::Uint160(FheUint160::encrypt_trivial(wide(scalar))),
        8 => Value::Uint256(FheUint256::encrypt_trivial(wide(scalar))),
        _ => return unsupported("trivial_encrypt"),
    })
}
