"""The operations on clear numbers: what a ciphertext holds after each of them.

Numbers are unsigned and of the operands' width; a result may be wider or negative and is cut by its caller.
Operands must have passed the table's checks.
"""

import hashlib
import operator
from collections.abc import Callable, Sequence
from typing import Final

from streams.domain.operations import FheType, Kind, Operation

Number = int | bytes
"""What an encrypted operand holds, or a plaintext, big-endian."""


def result(operation: Operation, operands: Sequence[Number], fhe_type: FheType, out_type: FheType) -> int:
    """The result, to be cut to `out_type`; `fhe_type` is that of the encrypted operands."""
    match operation.kind, operands:
        case Kind.BINARY, [left, right]:
            # Both operands are cut to the encrypted one's width before the operation: a plaintext divisor
            # may become zero, which the checks (`coverage`) have refused by then.
            return _BINARY[operation.name](_cut(left, fhe_type), _cut(right, fhe_type), fhe_type.bits)
        case Kind.UNARY, [value]:
            return _UNARY[operation.name](_cut(value, fhe_type))
        case Kind.CAST, [value, _]:
            # A Bool of a number says whether it is more than zero.
            return _cut(value, FheType.BOOL if out_type is FheType.BOOL else fhe_type)
        case Kind.TRIVIAL, [value, _]:
            # A Bool looks at the last byte only, unlike a scalar Bool of a binary operation.
            number = _unsigned(value)
            return int(number & 0xFF > 0) if out_type is FheType.BOOL else number
        case Kind.SELECT, [control, yes, no]:
            # The protocol's order of operands: control, if true, if false.
            return _unsigned(yes if control else no)
        case Kind.RAND, [seed, _]:
            return _random(_unsigned(seed), out_type.bits)
        case Kind.RAND_BOUNDED, [seed, bound, _]:
            # A bound is a power of two, at most that of the type: as many bits as it has trailing zeros.
            return _random(_unsigned(seed), min(_unsigned(bound).bit_length() - 1, out_type.bits))
        case Kind.SUM, values:
            return sum(map(_unsigned, values))
        case Kind.IS_IN, [value, *values]:
            # Decoded operands of one type, so that equality of numbers is membership; an empty list gives
            # false.
            return int(value in values)
        case Kind.MUL_DIV, factors:
            # The product is not cut before the division: it has twice the width, as the operators' library
            # has it.
            left, right, divisor = (_cut(factor, fhe_type) for factor in factors)
            return left * right // divisor
        case _:
            raise AssertionError(f"{operation.name} of {len(operands)} operands passed the checks")


def _unsigned(number: Number) -> int:
    return number if isinstance(number, int) else int.from_bytes(number, "big")


def _cut(number: Number, fhe_type: FheType) -> int:
    """A scalar Bool is true when any byte is set; the others keep their low bits."""
    value = _unsigned(number)
    return int(value > 0) if fhe_type is FheType.BOOL else value & ((1 << fhe_type.bits) - 1)


def _rotated(value: int, amount: int, bits: int) -> int:
    amount %= bits
    return value << amount | value >> (bits - amount)


def _random(seed: int, bits: int) -> int:
    """Bits that follow from the low 16 bytes of the seed; of fewer bits, the low ones."""
    # Not the numbers of `tfhe-rs`, which follow from its keys; a test can only ask that a seed repeats
    # itself.
    stream = hashlib.shake_256((seed & ((1 << 128) - 1)).to_bytes(16, "big")).digest((bits + 7) // 8)
    return int.from_bytes(stream, "little") & ((1 << bits) - 1)


_BINARY: Final[dict[str, Callable[[int, int, int], int]]] = {
    "Add": lambda left, right, _: left + right,
    "Sub": lambda left, right, _: left - right,
    "Mul": lambda left, right, _: left * right,
    # Never by zero: the checks refuse it, since the protocol knows no result for it.
    "Div": lambda left, right, _: left // right,
    "Rem": lambda left, right, _: left % right,
    "BitAnd": lambda left, right, _: left & right,
    "BitOr": lambda left, right, _: left | right,
    "BitXor": lambda left, right, _: left ^ right,
    # The amount is taken modulo the width (the operators' library): a shift by 64 of 64 bits changes
    # nothing.
    "Shl": lambda left, right, bits: left << right % bits,
    "Shr": lambda left, right, bits: left >> right % bits,
    "Rotl": _rotated,
    "Rotr": lambda left, right, bits: _rotated(left, -right, bits),
    "Eq": lambda left, right, _: int(left == right),
    "Ne": lambda left, right, _: int(left != right),
    "Ge": lambda left, right, _: int(left >= right),
    "Gt": lambda left, right, _: int(left > right),
    "Le": lambda left, right, _: int(left <= right),
    "Lt": lambda left, right, _: int(left < right),
    "Min": lambda left, right, _: min(left, right),
    "Max": lambda left, right, _: max(left, right),
}
_UNARY: Final[dict[str, Callable[[int], int]]] = {"Neg": operator.neg, "Not": operator.invert}
