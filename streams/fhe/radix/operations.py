"""The protocol's operations as radix algorithms: one entry per computation of `domain/operations`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from streams.domain.errors import OperationError
from streams.domain.operations import BY_NAME, TYPE_BITS, FheType, Operation, Result
from streams.fhe.radix import comparison, division, selection, shift
from streams.fhe.radix.addition import add, negate, subtract
from streams.fhe.radix.bitwise import Digitwise, bitwise, both, complement, either, one
from streams.fhe.radix.block import DIGIT_MAX, MESSAGE_BITS, Block, constants
from streams.fhe.radix.forms import Form
from streams.fhe.radix.lists import contains, total_of, truth, widened
from streams.fhe.radix.multiplication import multiply
from streams.fhe.radix.random import bits_below, blocks_needed, random_digits
from streams.fhe.radix.steps import Steps

Operand: TypeAlias = Sequence[Block] | int  # blocks, lowest first, or a clear number
Number: TypeAlias = Sequence[Block]


def blocks_of(fhe_type: FheType) -> int:
    """Blocks of a number of this type; a Bool is one block of one bit."""
    # one bit is no whole block: 1 // 2 would be none
    return max(1, fhe_type.bits // MESSAGE_BITS)


@dataclass(frozen=True, slots=True)
class Request:
    """One operation to be planned."""

    operation: Operation
    operands: tuple[Operand, ...]
    fhe_type: FheType  # of the encrypted operands; of the result where there are none
    out_type: FheType
    form: Form = Form.THROUGHPUT
    # Comparisons and IsIn look at it. What else makes a Bool makes it at 1, and `selection` raises it.
    weight: int = 1  # of a Bool result

    def number(self, index: int) -> Number:
        """An operand as blocks, a clear one cut to the width of the operands."""
        operand = self.operands[index]
        if not isinstance(operand, int):
            return operand
        # A scalar Bool is true when any byte is set (fhevm-protocol: scalars in binary operations).
        if self.fhe_type is FheType.BOOL:
            return constants(int(operand > 0), 1)
        return constants(operand, blocks_of(self.fhe_type))

    def clear(self, index: int) -> int:
        """An operand that has to be clear; raises OperationError."""
        operand = self.operands[index]
        if not isinstance(operand, int):
            raise OperationError(f"{self.operation.name} takes a plaintext as operand {index}")
        # cut to the type first: a divisor that is zero after the cut is a division by zero
        return operand & ((1 << TYPE_BITS[self.fhe_type]) - 1)


Algorithm: TypeAlias = Callable[[Request], Steps[list[Block]]]
TwoNumbers: TypeAlias = Callable[[Number, Number, Form], Steps[list[Block]]]
TwoNumbersToBool: TypeAlias = Callable[[Number, Number, Form, int], Steps[Block]]


def plan(request: Request) -> Steps[list[Block]]:
    """The algorithm of an operation.

    Raises:
        OperationError: there is none, or the operands are not what it takes.
    """
    # By name, as in the domain's table: `bench counts` and the tests run over its rows.
    algorithm = ALGORITHMS.get(request.operation.name)
    if algorithm is None:
        raise OperationError(f"{request.operation.name} is not a computation")
    return algorithm(request)


def requested(name: str, operands: Sequence[Operand], fhe_type: FheType, form: Form) -> Request:
    """A request by an operation's name, the result's type as the table tells; raises KeyError."""
    operation = BY_NAME[name]
    out_type = FheType.BOOL if operation.result is Result.BOOL else fhe_type
    return Request(operation, tuple(operands), fhe_type, out_type, form)


def _nothing_to_do(blocks: Sequence[Block]) -> Steps[list[Block]]:
    # A generator without a yield would be a plain function: this makes it one that asks for nothing.
    yield from ()
    return list(blocks)


def _single(algorithm: Steps[Block]) -> Steps[list[Block]]:
    return [(yield from algorithm)]


def _binary(function: TwoNumbers) -> Algorithm:
    return lambda request: function(request.number(0), request.number(1), request.form)


def _ordered(function: TwoNumbersToBool, *, swapped: bool = False) -> Algorithm:
    # x > y is y < x, x <= y is y >= x: two algorithms serve four operations.
    first, second = (1, 0) if swapped else (0, 1)
    return lambda request: _single(
        function(request.number(first), request.number(second), request.form, request.weight)
    )


def _same(function: Callable[[Number, Number, int], Steps[Block]]) -> Algorithm:
    return lambda request: _single(function(request.number(0), request.number(1), request.weight))


def _bitwise(function: Digitwise) -> Algorithm:
    return lambda request: bitwise(function, request.number(0), request.number(1))


def _moved(direction: shift.Direction) -> Algorithm:
    def algorithm(request: Request) -> Steps[list[Block]]:
        """A known amount moves blocks for free, an encrypted one selects."""
        # A known amount may be of any width and is taken modulo the number's, as the operators' library
        # does.
        if isinstance(request.operands[1], int):
            return shift.shift_clear(request.number(0), request.clear(1), direction)
        return shift.shift_encrypted(request.number(0), request.number(1), direction)

    return algorithm


def _not(request: Request) -> Steps[list[Block]]:
    return _nothing_to_do(complement(request.number(0), 1 if request.fhe_type is FheType.BOOL else DIGIT_MAX))


def _cast(request: Request) -> Steps[list[Block]]:
    if request.out_type is FheType.BOOL:
        return _single(truth(request.number(0)))
    return _nothing_to_do(widened(request.number(0), blocks_of(request.out_type)))


def _trivial(request: Request) -> Steps[list[Block]]:
    value = request.operands[0]
    if not isinstance(value, int):
        raise OperationError(f"{request.operation.name} takes a plaintext")
    if request.out_type is FheType.BOOL:
        # A Bool looks at the last byte only, unlike a scalar Bool of a binary operation.
        return _nothing_to_do(constants(int(value & 0xFF > 0), 1))
    return _nothing_to_do(constants(value, blocks_of(request.out_type)))


def _select(request: Request) -> Steps[list[Block]]:
    # The request's type is that of the branches; the condition is a Bool, one block whatever they are.
    condition, yes, no = (request.number(i) for i in range(3))
    return selection.select(condition[0], yes, no)


def _random(request: Request) -> Steps[list[Block]]:
    return random_digits(request.number(0), request.out_type.bits)


def _random_bounded(request: Request) -> Steps[list[Block]]:
    bound = request.operands[1]
    if not isinstance(bound, int):
        raise OperationError(f"{request.operation.name} takes a plaintext as bound")
    bits = bits_below(bound, request.out_type.bits)
    return _padded(random_digits(request.number(0)[: blocks_needed(bits)], bits), blocks_of(request.out_type))


def _padded(algorithm: Steps[list[Block]], blocks: int) -> Steps[list[Block]]:
    return widened((yield from algorithm), blocks)


def _sum(request: Request) -> Steps[list[Block]]:
    values = [request.number(i) for i in range(len(request.operands))]
    return total_of(values, blocks_of(request.out_type), request.form)


def _is_in(request: Request) -> Steps[list[Block]]:
    # the value that is looked for comes first, as in the protocol's FheIsIn
    candidates = [request.number(i) for i in range(1, len(request.operands))]
    return _single(contains(candidates, request.number(0), request.weight))


ALGORITHMS: Final[dict[str, Algorithm]] = {
    "Add": _binary(add),
    "Sub": _binary(subtract),
    "Mul": _binary(multiply),
    # The protocol divides by plaintexts only (`Scalar.MUST`): an encrypted divisor has no algorithm here.
    "Div": lambda request: division.divide(request.number(0), request.clear(1), request.form),
    "Rem": lambda request: division.remainder(request.number(0), request.clear(1), request.form),
    "BitAnd": _bitwise(both),
    "BitOr": _bitwise(either),
    "BitXor": _bitwise(one),
    "Shl": _moved(shift.SHIFT_LEFT),
    "Shr": _moved(shift.SHIFT_RIGHT),
    "Rotl": _moved(shift.ROTATE_LEFT),
    "Rotr": _moved(shift.ROTATE_RIGHT),
    "Eq": _same(comparison.equal),
    "Ne": _same(comparison.not_equal),
    "Ge": _ordered(comparison.greater_or_equal),
    "Gt": _ordered(comparison.less, swapped=True),
    "Le": _ordered(comparison.greater_or_equal, swapped=True),
    "Lt": _ordered(comparison.less),
    "Min": _binary(selection.minimum),
    "Max": _binary(selection.maximum),
    # 0 - x borrows from column to column, so it has the two forms of a difference
    "Neg": lambda request: negate(request.number(0), request.form),
    # 3 - digit is an integer combination: no bootstrap
    "Not": _not,
    "Cast": _cast,
    "TrivialEncrypt": _trivial,
    "IfThenElse": _select,
    "Rand": _random,
    "RandBounded": _random_bounded,
    "Sum": _sum,
    "IsIn": _is_in,
    # only the divisor has to be a plaintext; the second factor may be either
    "MulDiv": lambda request: division.multiply_divide(
        request.number(0), request.number(1), request.clear(2), request.form
    ),
}
