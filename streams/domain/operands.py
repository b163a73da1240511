"""The operands of an event: which of them are handles, and whether they fit the operation.

Types are read from the handles (byte 30), so a check needs nothing but the event.
"""

import hashlib
from functools import lru_cache
from itertools import compress
from typing import Final

from streams.domain.operations import BY_CODE, TYPE_BITS, FheType, Kind, Operation
from streams.domain.rules import Shape, check_shapes, computation, encrypted_operands

Operands = tuple[bytes, ...]
_RECENT: Final = 4096  # operations of a batch, each of which is asked several times
_SHAPES: Final = 1024  # what contracts call is of few shapes, each of them called again and again


def handle_type(handle: bytes) -> int:
    """Type byte of a handle."""
    return handle[30]


@lru_cache(_RECENT)
def operation_digest(code: int, operands: Operands, is_scalar: bool, fhe_type: int) -> bytes:
    """Identity of what a handle means: the same operation on the same operands."""
    digest = hashlib.sha256(bytes((code, is_scalar, fhe_type)))
    for operand in operands:
        # with lengths: a plaintext and a type are shorter than a handle
        digest.update(len(operand).to_bytes(4, "big") + operand)
    return digest.digest()


def handle_operands(code: int, operands: Operands, is_scalar: bool) -> Operands:
    """The operands that are handles, in order; none for an unknown operation."""
    return tuple(compress(operands, _are_handles(code, len(operands), is_scalar)))


@lru_cache(_SHAPES)
def _are_handles(code: int, count: int, is_scalar: bool) -> tuple[bool, ...]:
    operation = BY_CODE.get(code)
    # An unknown code must not raise here: it fails in the checks, and only its own component.
    if operation is None or operation.kind is Kind.INPUT:
        return ()
    return encrypted_operands(operation, count, is_scalar)


def check_operands(
    code: int, operands: Operands, is_scalar: bool, fhe_type: int, *, library: bool = False
) -> Operation:
    """The operation's row when its operands fit; raises OperationError naming what does not.

    Args:
        library: every type that an engine has, not only those of contracts.
    """
    are_handles = _are_handles(code, len(operands), is_scalar) or (False,) * len(operands)
    shapes = tuple(
        [
            handle_type(operand) if is_handle else operand
            for operand, is_handle in zip(operands, are_handles, strict=True)
        ]
    )
    return _checked(code, shapes, fhe_type, library)


@lru_cache(_SHAPES)
def _checked(code: int, shapes: tuple[Shape, ...], fhe_type: int, library: bool) -> Operation:
    operation = computation(code)
    check_shapes(operation, shapes, fhe_type, library=library)
    return operation


def cost_ms(code: int, operands: Operands, is_scalar: bool, fhe_type: int) -> int:
    """Estimated cost of an operation on one core: the table's value for Uint64, scaled by width and count."""
    handles = handle_operands(code, operands, is_scalar)
    # the last one: the first of a selection is its control, a Bool
    return _priced(code, len(handles), handle_type(handles[-1]) if handles else fhe_type)


@lru_cache(_SHAPES)
def _priced(code: int, handles: int, operated: int) -> int:
    operation = BY_CODE.get(code)
    if operation is None or operated not in TYPE_BITS:
        return 0
    # Collections cost per value, everything else once; the width is linear, which is right but for
    # products.
    values = handles if operation.kind in (Kind.SUM, Kind.IS_IN) else 1
    return max(1, operation.tfhe_ms * values * max(8, FheType(operated).bits) // 64)
