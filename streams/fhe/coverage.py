"""What is offered: operations and types whose known answers are pinned, and the rules for their operands.

Both engines refuse the same things for the same reason, because both ask here first.
"""

from collections.abc import Sequence
from typing import Final

from streams.domain.errors import OperationError
from streams.domain.operations import BY_CODE, FheType, Kind, Operation, Result, Scalar
from streams.fhe.suite import Encrypted, Operand, Plain

COVERED_OPERATIONS: Final = frozenset(
    {"Add", "Sub", "BitAnd", "Eq", "Ge", "Le", "TrivialEncrypt", "IfThenElse"}
)
COVERED_TYPES: Final = frozenset({FheType.BOOL, FheType.UINT64})


def covered(code: int, fhe_types: Sequence[int]) -> bool:
    """Whether an operation exists here for these types (of its encrypted operands and its result)."""
    operation = BY_CODE.get(code)
    if operation is None or operation.name not in COVERED_OPERATIONS:
        return False
    return all(fhe_type in COVERED_TYPES for fhe_type in fhe_types)


def checked(code: int, operands: Sequence[Operand], out_type: int) -> Operation:
    """The operation, after its number, kinds and types of operands.

    Raises:
        OperationError: it names what is wrong.
    """
    encrypted = [operand.fhe_type for operand in operands if isinstance(operand, Encrypted)]
    if not covered(code, [*encrypted, out_type]):
        raise OperationError(f"operation {code} on types {encrypted} giving {out_type} is not supported")
    operation = BY_CODE[code]
    _CHECKS[operation.kind](operation, operands)
    if _result_type(operation, operands) != out_type:
        raise OperationError(f"{operation.name} does not give type {out_type} here")
    return operation


def _check_binary(operation: Operation, operands: Sequence[Operand]) -> None:
    match operands:
        case [Encrypted(fhe_type=left), Encrypted(fhe_type=right)]:
            if left != right:
                raise OperationError(f"{operation.name} of different types {left} and {right}")
            if operation.scalar is Scalar.MUST:
                raise OperationError(f"{operation.name} takes a plaintext on the right")
        case [Encrypted(fhe_type=left), Plain()]:
            pass
        case _:
            raise OperationError(f"{operation.name} takes two operands, the first one encrypted")
    if left not in operation.types:
        raise OperationError(f"{operation.name} does not take type {left}")


def _check_select(operation: Operation, operands: Sequence[Operand]) -> None:
    match operands:
        case [Encrypted(fhe_type=FheType.BOOL), Encrypted(fhe_type=yes), Encrypted(fhe_type=no)]:
            if yes != no or yes not in operation.types:
                raise OperationError(f"{operation.name} of branches {yes} and {no}")
        case _:
            raise OperationError(f"{operation.name} takes a Bool and two encrypted branches")


def _check_trivial(operation: Operation, operands: Sequence[Operand]) -> None:
    match operands:
        case [Plain(), Plain(value=stated)] if len(stated) >= 1:
            if stated[-1] not in operation.types:
                raise OperationError(f"{operation.name} does not give type {stated[-1]}")
        case _:
            raise OperationError(f"{operation.name} takes a plaintext and a type")


_CHECKS: Final = {
    Kind.BINARY: _check_binary,
    Kind.SELECT: _check_select,
    Kind.TRIVIAL: _check_trivial,
}


def _result_type(operation: Operation, operands: Sequence[Operand]) -> int:
    if operation.result is Result.BOOL:
        return FheType.BOOL
    source = operands[0 if operation.result is Result.FIRST else 1]
    return source.fhe_type if isinstance(source, Encrypted) else source.value[-1]
