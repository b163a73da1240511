"""What an operation's operands are: which of them are handles, and whether their types fit.

Rules: fhevm host contracts at HEAD (operation rules) and the coprocessor's operand checks. Types are
read from the handles (byte 30), so a check needs nothing but the event.
"""

import hashlib
from collections.abc import Callable
from typing import Final

from streams.domain.errors import OperationError
from streams.domain.operations import BY_CODE, FheType, Kind, Operation, Result, Scalar

Operands = tuple[bytes, ...]


def handle_type(handle: bytes) -> int:
    """Type byte of a handle."""
    return handle[30]


def operation_digest(code: int, operands: Operands, is_scalar: bool, fhe_type: int) -> bytes:
    """Identity of what a handle means: the same operation on the same operands."""
    digest = hashlib.sha256(bytes((code, is_scalar, fhe_type)))
    for operand in operands:
        digest.update(len(operand).to_bytes(4, "big") + operand)
    return digest.digest()


def handle_operands(code: int, operands: Operands, is_scalar: bool) -> Operands:
    """The operands that are handles, in order; none for an unknown operation."""
    operation = BY_CODE.get(code)
    if operation is None:
        return ()
    return _HANDLES[operation.kind](operands, is_scalar)


def check_operands(code: int, operands: Operands, is_scalar: bool, fhe_type: int) -> Operation:
    """The operation's row when its operands fit; raises OperationError naming what does not."""
    operation = BY_CODE.get(code)
    if operation is None or operation.kind is Kind.INPUT:
        raise OperationError(f"unknown operation {code}")
    expected = _COUNTS[operation.kind]
    if expected is not None and len(operands) != expected:
        raise OperationError(f"{operation.name} takes {expected} operands, not {len(operands)}")
    if operation.kind in (Kind.BINARY, Kind.MUL_DIV):
        _check_scalar(operation, operands, is_scalar)
    _check_types(operation, [handle_type(h) for h in handle_operands(code, operands, is_scalar)], fhe_type)
    return operation


def cost_ms(code: int, fhe_type: int) -> int:
    """Estimated cost of an operation on one core: the table's value for Uint64, scaled by the width."""
    operation = BY_CODE.get(code)
    if operation is None or fhe_type not in FheType.__members__.values():
        return 0
    return max(1, operation.tfhe_ms * max(8, FheType(fhe_type).bits) // 64)


def _check_scalar(operation: Operation, operands: Operands, is_scalar: bool) -> None:
    if operation.scalar is Scalar.MUST and not is_scalar:
        raise OperationError(f"{operation.name} takes a plaintext as its last operand")
    if operation.name in ("Div", "Rem") and is_scalar:
        bits = FheType(handle_type(operands[0])).bits
        if int.from_bytes(operands[1], "big") % (1 << bits) == 0:
            raise OperationError(f"{operation.name} by zero")


def _check_types(operation: Operation, types: list[int], fhe_type: int) -> None:
    if operation.kind is Kind.SELECT:
        if types[0] != FheType.BOOL:
            raise OperationError("the control of a selection must be a Bool")
        types = types[1:]
    if (
        operation.kind in (Kind.BINARY, Kind.SELECT, Kind.MUL_DIV, Kind.SUM, Kind.IS_IN)
        and len(set(types)) > 1
    ):
        raise OperationError(f"{operation.name} on different types {types}")
    operated = types[0] if types else fhe_type
    if operated not in operation.types:
        raise OperationError(f"{operation.name} does not take type {operated}")
    result = {Result.BOOL: int(FheType.BOOL), Result.STATED: fhe_type}.get(operation.result, operated)
    if result != fhe_type:
        raise OperationError(f"{operation.name} gives type {result}, its handle says {fhe_type}")


def _all_but_scalar(operands: Operands, is_scalar: bool) -> Operands:
    return operands[:-1] if is_scalar else operands


def _factors(operands: Operands, is_scalar: bool) -> Operands:
    return operands[:1] if is_scalar else operands[:2]


def _all(operands: Operands, is_scalar: bool) -> Operands:
    del is_scalar
    return operands


def _first(operands: Operands, is_scalar: bool) -> Operands:
    del is_scalar
    return operands[:1]


def _none(operands: Operands, is_scalar: bool) -> Operands:
    del operands, is_scalar
    return ()


_HANDLES: Final[dict[Kind, Callable[[Operands, bool], Operands]]] = {
    Kind.BINARY: _all_but_scalar,
    Kind.UNARY: _first,
    Kind.CAST: _first,
    Kind.TRIVIAL: _none,
    Kind.SELECT: _all,
    Kind.RAND: _none,
    Kind.RAND_BOUNDED: _none,
    Kind.SUM: _all,
    Kind.IS_IN: _all,
    Kind.MUL_DIV: _factors,
    Kind.INPUT: _none,
}
_COUNTS: Final[dict[Kind, int | None]] = {
    Kind.BINARY: 2,
    Kind.UNARY: 1,
    Kind.CAST: 2,
    Kind.TRIVIAL: 2,
    Kind.SELECT: 3,
    Kind.RAND: 2,
    Kind.RAND_BOUNDED: 3,
    Kind.SUM: None,
    Kind.IS_IN: None,
    Kind.MUL_DIV: 3,
    Kind.INPUT: None,
}
