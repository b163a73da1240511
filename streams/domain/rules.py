"""What operands an operation takes, for the graph and for the engines alike.

Operands come as shapes: the type of an encrypted one, the bytes of a plaintext. So the graph can check an
event before anything is stored, and a worker the same operation again before it computes. Sources: fhevm host
contracts at HEAD (operation rules) and the operand checks of the coprocessor.
"""

from collections.abc import Callable, Sequence
from typing import Final

from streams.domain.errors import OperationError
from streams.domain.operations import BY_CODE, FheType, Kind, Operation, Result, Scalar, values_max

Shape = int | bytes
"""Type of an encrypted operand, or a plaintext, big-endian."""

_COUNTS: Final = {
    Kind.BINARY: 2,
    Kind.UNARY: 1,
    Kind.CAST: 2,
    Kind.TRIVIAL: 2,
    Kind.SELECT: 3,
    Kind.RAND: 2,
    Kind.RAND_BOUNDED: 3,
    Kind.MUL_DIV: 3,
}
_DIVISIONS: Final = frozenset({"Div", "Rem", "MulDiv"})


def encrypted_operands(operation: Operation, count: int, is_scalar: bool) -> tuple[bool, ...]:
    """Which of so many operands are handles; the others are plaintexts."""
    # cut to the count: an event with too few operands gets its error from the checks, not from here
    return _MASKS[operation.kind](count, is_scalar)[:count]


def scalar_flag(operation: Operation, is_encrypted: Sequence[bool]) -> bool:
    """The flag of an operation on operands of these kinds: what makes `encrypted_operands` give them."""
    return tuple(is_encrypted) != tuple(encrypted_operands(operation, len(is_encrypted), False))


def computation(code: int) -> Operation:
    """The row of an operation that is computed; raises OperationError."""
    operation = BY_CODE.get(code)
    if operation is None or operation.kind is Kind.INPUT:
        raise OperationError(f"unknown operation {code}")
    return operation


def check_shapes(
    operation: Operation, shapes: Sequence[Shape], out_type: int, *, library: bool = False
) -> None:
    """Passes when the operation takes these operands and gives that type.

    Args:
        library: every type that an engine has, not only those of contracts.

    Raises:
        OperationError: it names what does not fit.
    """
    expected = _COUNTS.get(operation.kind, len(shapes))
    if len(shapes) != expected:
        raise OperationError(f"{operation.name} takes {expected} operands, not {len(shapes)}")
    # Places before types: a plaintext where a handle belongs would otherwise be read as a wrong type.
    _PLACES[operation.kind](operation, shapes)
    operated = _operated(operation, shapes, out_type)
    if operated not in (operation.library if library else operation.types):
        raise OperationError(f"{operation.name} does not take type {operated}")
    _check_result(operation, shapes, operated, out_type)
    # the one operation whose result has rules of its own: contracts cannot cast to Bool or to an address
    if operation.kind is Kind.CAST and not library and out_type not in operation.targets:
        raise OperationError(f"{operation.name} does not give type {out_type}")
    _check_numbers(operation, shapes, FheType(operated))


def _operated(operation: Operation, shapes: Sequence[Shape], out_type: int) -> int:
    """The one type of the operands, or of the result when none is encrypted."""
    types = [shape for shape in shapes if isinstance(shape, int)]
    if operation.kind is Kind.SELECT:
        # the control is a Bool, whatever the branches are
        types = types[1:]
    if len(set(types)) > 1:
        raise OperationError(f"{operation.name} on different types {types}")
    return types[0] if types else out_type


def _check_result(operation: Operation, shapes: Sequence[Shape], operated: int, out_type: int) -> None:
    given = operated
    if operation.result is Result.BOOL:
        given = int(FheType.BOOL)
    elif operation.result is Result.STATED:
        given = _stated(operation, shapes[-1])
    if given != out_type:
        raise OperationError(f"{operation.name} gives type {given}, its handle says {out_type}")


def _stated(operation: Operation, shape: Shape) -> int:
    if isinstance(shape, int) or len(shape) != 1:
        raise OperationError(f"{operation.name} names its type in one byte")
    return shape[0]


def _check_numbers(operation: Operation, shapes: Sequence[Shape], fhe_type: FheType) -> None:
    if operation.kind in (Kind.SUM, Kind.IS_IN):
        count = len(shapes) - (operation.kind is Kind.IS_IN)
        if count > values_max(fhe_type):
            raise OperationError(f"{operation.name} of {count} values, at most {values_max(fhe_type)}")
    # a power of two has one bit set; zero has none
    if operation.kind is Kind.RAND_BOUNDED and _number(shapes[1]).bit_count() != 1:
        raise OperationError(f"{operation.name} below {_number(shapes[1])}, which is no power of two")
    # The divisor is cut to the dividend's width first.
    if operation.name in _DIVISIONS and _number(shapes[-1]) % (1 << fhe_type.bits) == 0:
        raise OperationError(f"{operation.name} by zero")


def _number(shape: Shape) -> int:
    return shape if isinstance(shape, int) else int.from_bytes(shape, "big")


def _binary(operation: Operation, shapes: Sequence[Shape]) -> None:
    left, right = shapes
    _require_encrypted(operation, [left])
    if operation.scalar is Scalar.MUST and isinstance(right, int):
        raise OperationError(f"{operation.name} takes a plaintext as its last operand")


def _cast(operation: Operation, shapes: Sequence[Shape]) -> None:
    _require_encrypted(operation, shapes[:1])
    _require_plain(operation, shapes[1:])


def _select(operation: Operation, shapes: Sequence[Shape]) -> None:
    _require_encrypted(operation, shapes)
    if shapes[0] != FheType.BOOL:
        raise OperationError("the control of a selection must be a Bool")


def _is_in(operation: Operation, shapes: Sequence[Shape]) -> None:
    _require_encrypted(operation, shapes)
    if not shapes:
        raise OperationError(f"{operation.name} without a value")


def _mul_div(operation: Operation, shapes: Sequence[Shape]) -> None:
    _require_encrypted(operation, shapes[:1])
    _require_plain(operation, shapes[2:])


def _require_encrypted(operation: Operation, shapes: Sequence[Shape]) -> None:
    if not all(isinstance(shape, int) for shape in shapes):
        raise OperationError(f"{operation.name} with a plaintext where it takes none")


def _require_plain(operation: Operation, shapes: Sequence[Shape]) -> None:
    if any(isinstance(shape, int) for shape in shapes):
        raise OperationError(f"{operation.name} with an encrypted operand where it takes a plaintext")


_PLACES: Final[dict[Kind, Callable[[Operation, Sequence[Shape]], None]]] = {
    Kind.BINARY: _binary,
    Kind.UNARY: _require_encrypted,
    Kind.CAST: _cast,
    Kind.TRIVIAL: _require_plain,
    Kind.SELECT: _select,
    Kind.RAND: _require_plain,
    Kind.RAND_BOUNDED: _require_plain,
    Kind.SUM: _require_encrypted,
    Kind.IS_IN: _is_in,
    Kind.MUL_DIV: _mul_div,
}


def _all(count: int, is_scalar: bool) -> tuple[bool, ...]:
    del is_scalar
    return (True,) * count


def _none(count: int, is_scalar: bool) -> tuple[bool, ...]:
    del is_scalar
    return (False,) * count


def _first(count: int, is_scalar: bool) -> tuple[bool, ...]:
    del is_scalar
    return (True, *(False,) * count)


def _all_but_scalar(count: int, is_scalar: bool) -> tuple[bool, ...]:
    return (True,) * (count - 1) + (not is_scalar,)


def _factors(count: int, is_scalar: bool) -> tuple[bool, ...]:
    return (True, not is_scalar, *(False,) * count)  # the divisor is always a plaintext


_MASKS: Final[dict[Kind, Callable[[int, bool], tuple[bool, ...]]]] = {
    Kind.BINARY: _all_but_scalar,
    Kind.UNARY: _all,
    Kind.CAST: _first,
    Kind.TRIVIAL: _none,
    Kind.SELECT: _all,
    Kind.RAND: _none,
    Kind.RAND_BOUNDED: _none,
    Kind.SUM: _all,
    Kind.IS_IN: _all,
    Kind.MUL_DIV: _factors,
}
