"""The one table of FHE operations; decoding, checks, costs, docs and the test matrix come from it.

Sources: fhevm host contracts at HEAD (`FHEVMExecutor` events and `Operators` enum) and the operand
rules of the coprocessor. `types` are those that contracts can ask for; `library` those that the operators'
engines compute, among them some that no contract of this release names. `tfhe_ms` is what the operation costs
on Uint64 on one core (for each value of a collection), decompression, re-randomisation and compression
included; it drives fairness and time limits, never correctness.
"""

from enum import IntEnum, StrEnum
from typing import Final

import msgspec


class FheType(IntEnum):
    """Types of encrypted values; the number is byte 30 of a handle."""

    BOOL = 0
    UINT4 = 1
    UINT8 = 2
    UINT16 = 3
    UINT32 = 4
    UINT64 = 5
    UINT128 = 6
    UINT160 = 7
    UINT256 = 8
    UINT512 = 9
    UINT1024 = 10
    UINT2048 = 11

    @property
    def bits(self) -> int:
        return TYPE_BITS[self]


TYPE_BITS: Final[dict[FheType, int]] = {
    FheType.BOOL: 1,
    FheType.UINT4: 4,
    FheType.UINT8: 8,
    FheType.UINT16: 16,
    FheType.UINT32: 32,
    FheType.UINT64: 64,
    FheType.UINT128: 128,
    FheType.UINT160: 160,
    FheType.UINT256: 256,
    FheType.UINT512: 512,
    FheType.UINT1024: 1024,
    FheType.UINT2048: 2048,
}

BOOL: Final = frozenset({FheType.BOOL})
INT: Final = frozenset({FheType.UINT8, FheType.UINT16, FheType.UINT32, FheType.UINT64, FheType.UINT128})
WORD: Final = frozenset({FheType.UINT256})
ADDRESS: Final = frozenset({FheType.UINT160})
SMALL: Final = INT - {FheType.UINT128}
# What the engines have beyond the contracts: four bits and the wide byte types.
NUMBERS: Final = INT | ADDRESS | WORD | {FheType.UINT4}
WORDS: Final = NUMBERS | {FheType.UINT512, FheType.UINT1024, FheType.UINT2048}
ALL: Final = BOOL | WORDS
# An amount is taken modulo the width, which the engines do for powers of two only.
SHIFTED: Final = WORDS - ADDRESS

_NARROW_BITS_MAX: Final = 32
_NARROW_VALUES_MAX: Final = 100
_WIDE_VALUES_MAX: Final = 60


def values_max(fhe_type: FheType) -> int:
    """How many values of a type may be summed, or be in the set that is searched."""
    return _NARROW_VALUES_MAX if fhe_type.bits <= _NARROW_BITS_MAX else _WIDE_VALUES_MAX


class Kind(StrEnum):
    """Shape of an operation's event and operands."""

    BINARY = "binary"  # lhs, rhs (handle or plaintext word), scalarByte
    UNARY = "unary"  # ct
    CAST = "cast"  # ct, type
    TRIVIAL = "trivial"  # plaintext word, type
    SELECT = "select"  # control, ifTrue, ifFalse
    RAND = "rand"  # seed, type
    RAND_BOUNDED = "rand_bounded"  # seed, bound, type
    SUM = "sum"  # values
    IS_IN = "is_in"  # value, values
    MUL_DIV = "mul_div"  # factor1, factor2, divisor
    INPUT = "input"  # VerifyInput: never a computation


class Result(StrEnum):
    """Where the type of the result comes from."""

    FIRST = "first"  # the type of the first encrypted operand
    SECOND = "second"  # select: the type of the branches
    BOOL = "bool"
    STATED = "stated"  # named in the event


class Scalar(StrEnum):
    """Whether the last operand may, must or must not be a plaintext."""

    NEVER = "never"
    MAY = "may"
    MUST = "must"


class Operation(msgspec.Struct, frozen=True):
    """One row: what an operation is called, takes, gives and costs."""

    code: int
    name: str
    event: str
    kind: Kind
    types: frozenset[FheType]  # of the operands that have one type, or of the result when there are none
    library: frozenset[FheType]
    scalar: Scalar
    result: Result
    tfhe_ms: int
    targets: frozenset[FheType] = frozenset()  # what contracts may cast to

    @property
    def is_random(self) -> bool:
        """Whether the result is drawn from a seed, so that nobody can say what it should be."""
        return self.kind in _RANDOM


def _binary(
    code: int, name: str, types: frozenset[FheType], library: frozenset[FheType], cost: int, *,
    result: Result = Result.FIRST, scalar: Scalar = Scalar.MAY,
) -> Operation:  # fmt: skip
    signature = f"Fhe{name}(address,bytes32,bytes32,bytes1,bytes32)"
    return Operation(code, name, signature, Kind.BINARY, types, library, scalar, result, cost)


def _other(
    code: int, name: str, event: str, kind: Kind, types: frozenset[FheType], library: frozenset[FheType],
    cost: int, result: Result, *, targets: frozenset[FheType] = frozenset(),
) -> Operation:  # fmt: skip
    return Operation(code, name, event, kind, types, library, _SCALARS[kind], result, cost, targets)


_RANDOM: Final = frozenset({Kind.RAND, Kind.RAND_BOUNDED})
_SCALARS: Final[dict[Kind, Scalar]] = {
    Kind.UNARY: Scalar.NEVER,
    Kind.CAST: Scalar.NEVER,
    Kind.TRIVIAL: Scalar.MUST,
    Kind.SELECT: Scalar.NEVER,
    Kind.RAND: Scalar.MUST,
    Kind.RAND_BOUNDED: Scalar.MUST,
    Kind.SUM: Scalar.NEVER,
    Kind.IS_IN: Scalar.NEVER,
    Kind.MUL_DIV: Scalar.MAY,
    Kind.INPUT: Scalar.NEVER,
}

OPERATIONS: Final[tuple[Operation, ...]] = (
    _binary(0, "Add", INT, NUMBERS, 1600),
    _binary(1, "Sub", INT, NUMBERS, 1600),
    _binary(2, "Mul", INT, NUMBERS, 22000),
    _binary(3, "Div", INT, NUMBERS, 14000, scalar=Scalar.MUST),
    _binary(4, "Rem", INT, NUMBERS, 16000, scalar=Scalar.MUST),
    _binary(5, "BitAnd", BOOL | INT | WORD, ALL, 1250),
    _binary(6, "BitOr", BOOL | INT | WORD, ALL, 1250),
    _binary(7, "BitXor", BOOL | INT | WORD, ALL, 1250),
    _binary(8, "Shl", INT | WORD, SHIFTED, 4000),
    _binary(9, "Shr", INT | WORD, SHIFTED, 4000),
    _binary(10, "Rotl", INT | WORD, SHIFTED, 4000),
    _binary(11, "Rotr", INT | WORD, SHIFTED, 4000),
    _binary(12, "Eq", BOOL | INT | ADDRESS | WORD, ALL, 1300, result=Result.BOOL),
    _binary(13, "Ne", BOOL | INT | ADDRESS | WORD, ALL, 1300, result=Result.BOOL),
    _binary(14, "Ge", INT, NUMBERS, 1400, result=Result.BOOL),
    _binary(15, "Gt", INT, NUMBERS, 1400, result=Result.BOOL),
    _binary(16, "Le", INT, NUMBERS, 1400, result=Result.BOOL),
    _binary(17, "Lt", INT, NUMBERS, 1400, result=Result.BOOL),
    _binary(18, "Min", INT, NUMBERS, 2600),
    _binary(19, "Max", INT, NUMBERS, 2600),
    _other(
        20, "Neg", "FheNeg(address,bytes32,bytes32)", Kind.UNARY, INT | WORD, NUMBERS, 1100, Result.FIRST,
    ),
    _other(
        21, "Not", "FheNot(address,bytes32,bytes32)", Kind.UNARY, BOOL | INT | WORD, ALL, 460, Result.FIRST,
    ),
    _other(
        22, "VerifyInput", "VerifyInput(address,bytes32,address,bytes,uint8,bytes32)", Kind.INPUT,
        BOOL | INT | ADDRESS | WORD, frozenset(), 0, Result.STATED,
    ),
    _other(
        23, "Cast", "Cast(address,bytes32,uint8,bytes32)", Kind.CAST, BOOL | INT | WORD, ALL, 460,
        Result.STATED, targets=INT | WORD,
    ),
    _other(
        24, "TrivialEncrypt", "TrivialEncrypt(address,uint256,uint8,bytes32)", Kind.TRIVIAL,
        BOOL | INT | ADDRESS | WORD, ALL, 80, Result.STATED,
    ),
    _other(
        25, "IfThenElse", "FheIfThenElse(address,bytes32,bytes32,bytes32,bytes32)", Kind.SELECT,
        BOOL | INT | ADDRESS | WORD, ALL, 2100, Result.SECOND,
    ),
    _other(
        26, "Rand", "FheRand(address,uint8,bytes16,bytes32)", Kind.RAND, BOOL | INT | WORD, ALL, 420,
        Result.STATED,
    ),
    _other(
        27, "RandBounded", "FheRandBounded(address,uint256,uint8,bytes16,bytes32)", Kind.RAND_BOUNDED,
        INT | WORD, WORDS, 420, Result.STATED,
    ),
    _other(
        28, "Sum", "FheSum(address,bytes32[],bytes32)", Kind.SUM, INT, INT, 800, Result.FIRST,
    ),
    _other(
        29, "IsIn", "FheIsIn(address,bytes32,bytes32[],bytes32)", Kind.IS_IN, INT | ADDRESS | WORD,
        INT | ADDRESS | WORD, 1000, Result.BOOL,
    ),
    _other(
        30, "MulDiv", "FheMulDiv(address,bytes32,bytes32,bytes32,bytes1,bytes32)", Kind.MUL_DIV, SMALL, SMALL,
        60000, Result.FIRST,
    ),
)  # fmt: skip

BY_CODE: Final[dict[int, Operation]] = {operation.code: operation for operation in OPERATIONS}
BY_NAME: Final[dict[str, Operation]] = {operation.name: operation for operation in OPERATIONS}
