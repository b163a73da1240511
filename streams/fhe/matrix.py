"""Every cell of operations and types, with operands for it: what engines are compared on."""

from collections.abc import Iterator
from typing import Final

import msgspec

from streams.domain.operations import BY_NAME, OPERATIONS, FheType, Kind, Operation, Result, Scalar
from streams.fhe.suite import ClearValue, Plain

# plaintexts come as EVM words
WORD_BYTES: Final = 32
# Their plaintext must not be zero once it is cut to the type: any other is refused before it is computed.
_DIVISIONS: Final = frozenset({"Div", "Rem"})

ClearOperand = ClearValue | Plain


class Cell(msgspec.Struct, frozen=True):
    """An operation on a type; with a plaintext on the right where it has the choice."""

    name: str
    fhe_type: FheType  # of the operands, or of the result when there are none
    out_type: FheType
    scalar: bool = False

    @property
    def operation(self) -> Operation:
        """The row of the domain's table."""
        return BY_NAME[self.name]

    def __str__(self) -> str:
        cast = f"_to_{self.out_type.bits}" if self.operation.kind is Kind.CAST else ""
        return f"{self.name}_{self.fhe_type.bits}{cast}{'_scalar' if self.scalar else ''}"


def cells(*, library: bool = False) -> tuple[Cell, ...]:
    """All cells that contracts can ask for, or all that the engines have."""
    return tuple(
        cell
        for operation in OPERATIONS
        if operation.kind is not Kind.INPUT
        for fhe_type in sorted(operation.library if library else operation.types)
        for cell in _of_type(operation, fhe_type, library)
    )


def _of_type(operation: Operation, fhe_type: FheType, library: bool) -> Iterator[Cell]:
    if operation.kind is Kind.CAST:
        targets = operation.library if library else operation.targets
        # No cast to the same type: contracts refuse it, and it would compute nothing.
        yield from (Cell(operation.name, fhe_type, target) for target in sorted(targets - {fhe_type}))
        return
    out_type = FheType.BOOL if operation.result is Result.BOOL else fhe_type
    # Two cells where there is the choice: other code runs for a plaintext.
    if operation.scalar is not Scalar.MUST:
        yield Cell(operation.name, fhe_type, out_type)
    if operation.scalar is not Scalar.NEVER:
        yield Cell(operation.name, fhe_type, out_type, scalar=True)


def operands(cell: Cell, left: int, right: int, third: int) -> tuple[ClearOperand, ...]:
    """Operands that the cell takes, made of any three numbers."""
    operation, fhe_type = cell.operation, cell.fhe_type
    first, second, last = (_value(fhe_type, number) for number in (left, right, third))
    match operation.kind:
        # Any three numbers make valid operands, so that a property test may draw them freely.
        case Kind.BINARY:
            plain = _divisor(fhe_type, right) if cell.name in _DIVISIONS else _word(fhe_type, right)
            return (first, plain if cell.scalar else second)
        case Kind.MUL_DIV:
            return (first, _word(fhe_type, right) if cell.scalar else second, _divisor(fhe_type, third))
        case Kind.UNARY:
            return (first,)
        case Kind.SELECT:
            # third decides the branch: both are met over a few draws
            return (ClearValue(FheType.BOOL, third & 1), first, second)
        case Kind.SUM:
            return (first, second, last)
        case Kind.IS_IN:
            # an element that is there, in half of the draws; otherwise membership would nearly always be
            # false
            return (first, second, last, *((first,) if third & 1 else ()))
        case _:
            return _stated(cell, left, right)


def _stated(cell: Cell, left: int, right: int) -> tuple[ClearOperand, ...]:
    to_type = Plain(bytes((cell.out_type,)))
    if cell.operation.kind is Kind.CAST:
        return (_value(cell.fhe_type, left), to_type)
    number = _word(cell.fhe_type, left)  # to encrypt, or a seed
    if cell.operation.kind is not Kind.RAND_BOUNDED:
        return (number, to_type)
    # a power of two from 1 to 2^bits, the largest bound that contracts allow
    bits = right % (cell.fhe_type.bits + 1)
    return (number, Plain((1 << bits).to_bytes(bits // 8 + 1, "big")), to_type)


def _value(fhe_type: FheType, number: int) -> ClearValue:
    return ClearValue(fhe_type, number & ((1 << fhe_type.bits) - 1))


def _word(fhe_type: FheType, number: int) -> Plain:
    # the library's wide types need more than an EVM word
    size_bytes = max(WORD_BYTES, fhe_type.bits // 8)
    return Plain((number & ((1 << 8 * size_bytes) - 1)).to_bytes(size_bytes, "big"))


def _divisor(fhe_type: FheType, number: int) -> Plain:
    """The number with its low bits not all zero."""
    return _word(fhe_type, number if number & ((1 << fhe_type.bits) - 1) else number | 1)
