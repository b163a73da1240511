//! The protocol's operations as rows: opcode, name and the function that applies the crate's operator.
//!
//! Rust has no loop over types, so each row is made by a macro from the operator and the list of types it takes.
//! The types are those of the operators' own library, more than contracts can ask for.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use tfhe::prelude::*;
use tfhe::{FheBool, FheTypes, FheUint, Seed};

use crate::errors::{Failure, Outcome};
use crate::scalar;
use crate::value::{with_kind, Value};

pub enum Operand {
    Encrypted(Value),
    Scalar(PyBackedBytes),
}

use Operand::{Encrypted, Scalar};

/// From operands and the type of the result, which only a sum of nothing has to be told.
type Apply = fn(&[Operand], u8) -> Outcome<Value>;

struct Row {
    opcode: u8,
    name: &'static str,
    apply: Apply,
}

const ROWS: &[Row] = &[
    Row { opcode: 0, name: "add", apply: add },
    Row { opcode: 1, name: "sub", apply: sub },
    Row { opcode: 2, name: "mul", apply: mul },
    Row { opcode: 3, name: "div", apply: div },
    Row { opcode: 4, name: "rem", apply: rem },
    Row { opcode: 5, name: "and", apply: and },
    Row { opcode: 6, name: "or", apply: or },
    Row { opcode: 7, name: "xor", apply: xor },
    Row { opcode: 8, name: "shl", apply: shl },
    Row { opcode: 9, name: "shr", apply: shr },
    Row { opcode: 10, name: "rotl", apply: rotl },
    Row { opcode: 11, name: "rotr", apply: rotr },
    Row { opcode: 12, name: "eq", apply: eq },
    Row { opcode: 13, name: "ne", apply: ne },
    Row { opcode: 14, name: "ge", apply: ge },
    Row { opcode: 15, name: "gt", apply: gt },
    Row { opcode: 16, name: "le", apply: le },
    Row { opcode: 17, name: "lt", apply: lt },
    Row { opcode: 18, name: "min", apply: min },
    Row { opcode: 19, name: "max", apply: max },
    Row { opcode: 20, name: "neg", apply: neg },
    Row { opcode: 21, name: "not", apply: not },
    Row { opcode: 23, name: "cast", apply: cast },
    Row { opcode: 24, name: "trivial_encrypt", apply: trivial_encrypt },
    Row { opcode: 25, name: "if_then_else", apply: if_then_else },
    Row { opcode: 26, name: "rand", apply: rand },
    Row { opcode: 27, name: "rand_bounded", apply: rand_bounded },
    Row { opcode: 28, name: "sum", apply: sum },
    Row { opcode: 29, name: "is_in", apply: is_in },
    Row { opcode: 30, name: "mul_div", apply: mul_div },
];

/// Opcode and name of every operation that `ComputeKey.execute` knows.
#[pyfunction]
pub fn opcodes() -> Vec<(u8, &'static str)> {
    ROWS.iter().map(|row| (row.opcode, row.name)).collect()
}

pub fn apply(opcode: u8, operands: &[Operand], out_type: u8) -> Outcome<Value> {
    let row = ROWS
        .iter()
        .find(|row| row.opcode == opcode)
        .ok_or_else(|| Failure::Refused(format!("unknown operation {opcode}")))?;
    let result = (row.apply)(operands, out_type)?;
    if result.type_code() != out_type {
        return Err(Failure::Refused(format!("result of type {}, expected {out_type}", result.type_code())));
    }
    Ok(result)
}

fn unsupported(name: &str) -> Outcome<Value> {
    Err(Failure::Refused(format!("{name}: operands of these types or this number are not supported")))
}

/// Calls a macro with a list of types, each with the function that reads a scalar of it.
macro_rules! over {
    (small $make:ident! $($rest:tt)*) => {
        $make! { $($rest)* [Uint8 uint8, Uint16 uint16, Uint32 uint32, Uint64 uint64] }
    };
    (sums $make:ident! $($rest:tt)*) => {
        $make! { $($rest)* [Uint8 uint8, Uint16 uint16, Uint32 uint32, Uint64 uint64, Uint128 uint128] }
    };
    (sets $make:ident! $($rest:tt)*) => {
        $make! { $($rest)* [
            Uint8 uint8, Uint16 uint16, Uint32 uint32, Uint64 uint64, Uint128 uint128, Uint160 uint160,
            Uint256 uint256
        ] }
    };
    (numbers $make:ident! $($rest:tt)*) => {
        $make! { $($rest)* [
            Uint4 uint4, Uint8 uint8, Uint16 uint16, Uint32 uint32, Uint64 uint64, Uint128 uint128,
            Uint160 uint160, Uint256 uint256
        ] }
    };
    (words $make:ident! $($rest:tt)*) => {
        $make! { $($rest)* [
            Uint4 uint4, Uint8 uint8, Uint16 uint16, Uint32 uint32, Uint64 uint64, Uint128 uint128,
            Uint160 uint160, Uint256 uint256, Uint512 uint512, Uint1024 uint1024, Uint2048 uint2048
        ] }
    };
    (all $make:ident! $($rest:tt)*) => {
        $make! { $($rest)* [
            Bool boolean, Uint4 uint4, Uint8 uint8, Uint16 uint16, Uint32 uint32, Uint64 uint64, Uint128 uint128,
            Uint160 uint160, Uint256 uint256, Uint512 uint512, Uint1024 uint1024, Uint2048 uint2048
        ] }
    };
}

/// The result: of the operands' type, or a Bool.
macro_rules! wrapped {
    (same, $variant:ident, $result:expr) => {
        Value::$variant($result)
    };
    (flag, $variant:ident, $result:expr) => {
        Value::Bool($result)
    };
}

/// Two operands of one type; the right one may be a scalar.
macro_rules! binary {
    ($name:ident, $kind:ident, |$left:ident, $right:ident| $body:expr; [$($variant:ident $read:ident),*]) => {
        fn $name(operands: &[Operand], _: u8) -> Outcome<Value> {
            match operands {
                $(
                    [Encrypted(Value::$variant($left)), Encrypted(Value::$variant($right))] => {
                        Ok(wrapped!($kind, $variant, $body))
                    }
                    [Encrypted(Value::$variant($left)), Scalar(bytes)] => {
                        let $right = scalar::$read(bytes);
                        Ok(wrapped!($kind, $variant, $body))
                    }
                )*
                _ => unsupported(stringify!($name)),
            }
        }
    };
}

/// A divisor that must be a scalar, not zero after it was cut to the dividend's width.
macro_rules! division {
    ($name:ident, |$left:ident, $right:ident| $body:expr; [$($variant:ident $read:ident),*]) => {
        fn $name(operands: &[Operand], _: u8) -> Outcome<Value> {
            match operands {
                $(
                    [Encrypted(Value::$variant($left)), Scalar(bytes)] => {
                        let $right = divisor(scalar::$read(bytes))?;
                        Ok(Value::$variant($body))
                    }
                )*
                _ => unsupported(stringify!($name)),
            }
        }
    };
}

macro_rules! unary {
    ($name:ident, |$inner:ident| $body:expr; [$($variant:ident $read:ident),*]) => {
        fn $name(operands: &[Operand], _: u8) -> Outcome<Value> {
            match operands {
                $([Encrypted(Value::$variant($inner))] => Ok(Value::$variant($body)),)*
                _ => unsupported(stringify!($name)),
            }
        }
    };
}

fn divisor<T: PartialEq + From<u8>>(value: T) -> Outcome<T> {
    if value == T::from(0) {
        return Err(Failure::Refused("division by zero".to_owned()));
    }
    Ok(value)
}

over! { numbers binary! add, same, |left, right| left + right; }
over! { numbers binary! sub, same, |left, right| left - right; }
over! { numbers binary! mul, same, |left, right| left * right; }
over! { numbers division! div, |left, right| left / right; }
over! { numbers division! rem, |left, right| left % right; }
over! { all binary! and, same, |left, right| left & right; }
over! { all binary! or, same, |left, right| left | right; }
over! { all binary! xor, same, |left, right| left ^ right; }
over! { words binary! shl, same, |left, right| left << right; }
over! { words binary! shr, same, |left, right| left >> right; }
over! { words binary! rotl, same, |left, right| left.rotate_left(right); }
over! { words binary! rotr, same, |left, right| left.rotate_right(right); }
over! { all binary! eq, flag, |left, right| left.eq(right); }
over! { all binary! ne, flag, |left, right| left.ne(right); }
over! { numbers binary! ge, flag, |left, right| left.ge(right); }
over! { numbers binary! gt, flag, |left, right| left.gt(right); }
over! { numbers binary! le, flag, |left, right| left.le(right); }
over! { numbers binary! lt, flag, |left, right| left.lt(right); }
over! { numbers binary! min, same, |left, right| left.min(right); }
over! { numbers binary! max, same, |left, right| left.max(right); }
over! { numbers unary! neg, |inner| -inner; }
over! { all unary! not, |inner| !inner; }

macro_rules! selected {
    ($operands:ident [$($variant:ident $read:ident),*]) => {
        match $operands {
            $(
                [Encrypted(Value::Bool(control)), Encrypted(Value::$variant(yes)), Encrypted(Value::$variant(no))] => {
                    Ok(Value::$variant(control.select(yes, no)))
                }
            )*
            _ => unsupported("if_then_else"),
        }
    };
}

fn if_then_else(operands: &[Operand], _: u8) -> Outcome<Value> {
    over! { all selected! operands }
}

fn type_in(scalar: &[u8]) -> u8 {
    scalar::uint8(scalar)
}

fn trivial_encrypt(operands: &[Operand], _: u8) -> Outcome<Value> {
    let [Scalar(clear), Scalar(fhe_type)] = operands else {
        return unsupported("trivial_encrypt");
    };
    Value::trivial(type_in(fhe_type), clear).map_or_else(|| unsupported("trivial_encrypt"), Ok)
}

/// Cuts or extends a number, or a Bool, to one of the number types.
macro_rules! resized {
    ($inner:ident, $fhe_type:ident; [$($variant:ident $read:ident),*]) => {{
        $(
            if $fhe_type == FheTypes::$variant as u8 {
                return Ok(Value::$variant($inner.clone().cast_into()));
            }
        )*
        unsupported("cast")
    }};
}

fn cast(operands: &[Operand], _: u8) -> Outcome<Value> {
    let [Encrypted(value), Scalar(fhe_type)] = operands else {
        return unsupported("cast");
    };
    let fhe_type = type_in(fhe_type);
    if value.type_code() == fhe_type {
        return Ok(value.clone());
    }
    let to_flag = fhe_type == FheTypes::Bool as u8;
    with_kind!(
        value,
        flag => over! { words resized! flag, fhe_type; },
        number => if to_flag { Ok(Value::Bool(number.gt(0))) } else { over! { words resized! number, fhe_type; } }
    )
}

/// As many random bits as the type has, or as the bound asks for if those are fewer.
macro_rules! random_number {
    ($fhe_type:ident, $seed:ident, $bits:ident; [$($variant:ident $width:literal),*]) => {{
        $(
            if $fhe_type == FheTypes::$variant as u8 {
                let bits = $bits.min($width);
                return Ok(Value::$variant(FheUint::generate_oblivious_pseudo_random_bounded($seed, bits)));
            }
        )*
        unsupported("rand")
    }};
}

fn random(fhe_type: u8, seed: &[u8], bits: u64) -> Outcome<Value> {
    let seed = Seed(scalar::uint128(seed));
    random_number! { fhe_type, seed, bits; [
        Uint4 4, Uint8 8, Uint16 16, Uint32 32, Uint64 64, Uint128 128, Uint160 160, Uint256 256, Uint512 512,
        Uint1024 1024, Uint2048 2048
    ] }
}

fn rand(operands: &[Operand], _: u8) -> Outcome<Value> {
    let [Scalar(seed), Scalar(fhe_type)] = operands else {
        return unsupported("rand");
    };
    let fhe_type = type_in(fhe_type);
    if fhe_type == FheTypes::Bool as u8 {
        let seed = Seed(scalar::uint128(seed));
        return Ok(Value::Bool(FheBool::generate_oblivious_pseudo_random(seed)));
    }
    random(fhe_type, seed, u64::MAX)
}

fn rand_bounded(operands: &[Operand], _: u8) -> Outcome<Value> {
    let [Scalar(seed), Scalar(bound), Scalar(fhe_type)] = operands else {
        return unsupported("rand_bounded");
    };
    let bits = scalar::log2(bound).ok_or_else(|| Failure::Refused("the bound is no power of two".to_owned()))?;
    random(type_in(fhe_type), seed, bits)
}

/// The values inside operands that are all of one type.
macro_rules! uniform {
    ($operands:expr, $variant:ident) => {
        $operands
            .iter()
            .map(|operand| match operand {
                Encrypted(Value::$variant(inner)) => Some(inner),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()
    };
}

macro_rules! summed {
    ($operands:ident [$($variant:ident $read:ident),*]) => {{
        $(
            if let Some(values) = uniform!($operands, $variant) {
                return Ok(Value::$variant(values.into_iter().sum()));
            }
        )*
        unsupported("sum")
    }};
}

fn sum(operands: &[Operand], out_type: u8) -> Outcome<Value> {
    if operands.is_empty() {
        return Value::trivial(out_type, &[]).map_or_else(|| unsupported("sum"), Ok);
    }
    over! { sums summed! operands }
}

macro_rules! contained {
    ($operands:ident [$($variant:ident $read:ident),*]) => {{
        $(
            if let Some(values) = uniform!($operands, $variant) {
                let set: Vec<_> = values[1..].iter().map(|value| (*value).clone()).collect();
                return Ok(Value::Bool(FheUint::contains(&set, values[0])));
            }
        )*
        unsupported("is_in")
    }};
}

fn is_in(operands: &[Operand], _: u8) -> Outcome<Value> {
    if let [Encrypted(_)] = operands {
        return Ok(Value::Bool(FheBool::encrypt_trivial(false)));
    }
    if operands.is_empty() {
        return unsupported("is_in");
    }
    over! { sets contained! operands }
}

/// The product has twice the width before it is divided; the quotient is cut.
macro_rules! scaled {
    ($operands:ident [$($variant:ident $read:ident),*]) => {
        match $operands {
            $(
                [Encrypted(Value::$variant(left)), Encrypted(Value::$variant(right)), Scalar(bytes)] => {
                    let divisor = divisor(scalar::$read(bytes))?;
                    Ok(Value::$variant(left.fused_mul_scalar_div(right, divisor)))
                }
                [Encrypted(Value::$variant(left)), Scalar(right), Scalar(bytes)] => {
                    let divisor = divisor(scalar::$read(bytes))?;
                    Ok(Value::$variant(left.fused_scalar_mul_scalar_div(scalar::$read(right), divisor)))
                }
            )*
            _ => unsupported("mul_div"),
        }
    };
}

fn mul_div(operands: &[Operand], _: u8) -> Outcome<Value> {
    over! { small scaled! operands }
}
