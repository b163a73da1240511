"""Each operation on plain integers, written apart from the engine: what a cell must give."""

from unit.fhe.radix.semantics import BINARY, UNARY

from streams.domain.operations import FheType, Kind
from streams.fhe.matrix import Cell, ClearOperand
from streams.fhe.suite import ClearValue


def read(operand: ClearOperand, fhe_type: FheType) -> int:
    """The number that an operation on that type sees."""
    if isinstance(operand, ClearValue):
        return operand.value
    if fhe_type is FheType.BOOL:
        return int(any(operand.value))
    return int.from_bytes(operand.value, "big") % 2**fhe_type.bits


def expected(cell: Cell, operands: tuple[ClearOperand, ...]) -> int:
    """The result of a cell that is not random."""
    numbers = [read(operand, cell.fhe_type) for operand in operands]
    match cell.operation.kind:
        case Kind.BINARY:
            value = BINARY[cell.name](numbers[0], numbers[1], cell.fhe_type.bits)
        case Kind.UNARY:
            value = UNARY[cell.name](numbers[0])
        case Kind.CAST:
            value = int(numbers[0] > 0) if cell.out_type is FheType.BOOL else numbers[0]
        case Kind.TRIVIAL:
            last_byte = not isinstance(operands[0], ClearValue) and operands[0].value[-1] > 0
            value = int(last_byte) if cell.out_type is FheType.BOOL else numbers[0]
        case Kind.SELECT:
            value = numbers[1] if numbers[0] else numbers[2]
        case Kind.SUM:
            value = sum(numbers)
        case Kind.IS_IN:
            value = int(numbers[0] in numbers[1:])
        case Kind.MUL_DIV:
            value = numbers[0] * numbers[1] // numbers[2]
        case _:
            raise AssertionError(f"{cell} has no one result")
    return value % 2**cell.out_type.bits
