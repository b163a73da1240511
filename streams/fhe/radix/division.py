"""Quotient and remainder by a known divisor; multiply, then divide.

A known divisor is a known reciprocal: floor(x / d) = floor(x m / 4^t) for all x below 2^N if
m = ceil(4^t / d) and (m d - 4^t) 2^N <= 4^t (Granlund, Montgomery, "Division by Invariant Integers using
Multiplication", PLDI 1994, theorem 4.2). The product with a known number needs no look-ups for its digits,
and taking t in base 4 makes the final shift free. A reciprocal that repeats has an algorithm of its own
(`repetition`).
"""

from collections.abc import Sequence

from streams.domain.errors import OperationError
from streams.fhe.radix.bitwise import bitwise, both
from streams.fhe.radix.block import MESSAGE_BITS, Block, constants
from streams.fhe.radix.columns import resolve
from streams.fhe.radix.forms import Form
from streams.fhe.radix.multiplication import clear_products, multiply, multiply_clear
from streams.fhe.radix.repetition import Repetition, product_look_ups, quotient, repetition
from streams.fhe.radix.shift import SHIFT_RIGHT, shift_clear
from streams.fhe.radix.steps import QUIET, Steps, refreshed

OPERAND_NOISE_MAX = QUIET  # of the dividend's digits, which meet quiet multiples of the quotient's


def divide(
    value: Sequence[Block], divisor: int, form: Form = Form.THROUGHPUT, wanted: int | None = None
) -> Steps[list[Block]]:
    """floor(value / divisor), its low `wanted` blocks (all, if not stated).

    Raises:
        OperationError: the divisor is zero.
    """
    _require(divisor)
    blocks = len(value) if wanted is None else wanted
    if divisor & (divisor - 1) == 0:
        return (yield from _shifted(value, divisor))[:blocks]
    value, divisor = yield from _without_twos(value, divisor, form)
    largest = (1 << (MESSAGE_BITS * len(value))) - 1
    # No quotient is longer than the largest one: columns above it are known zeros.
    kept = min(blocks, -(-(largest // divisor).bit_length() // MESSAGE_BITS))
    again = _repetition(divisor, len(value), form)
    if again is not None:
        return [*(yield from quotient(value, again, kept)), *constants(0, blocks - kept)]
    factor, shift = reciprocal(divisor, MESSAGE_BITS * len(value))
    # x m / 4^t: the product's blocks from t on are the quotient, those below only carry into it.
    product = yield from multiply_clear(value, factor, shift + kept, form, first_kept=shift)
    return [*product[shift:], *constants(0, blocks - kept)]


def _require(divisor: int) -> None:
    if divisor == 0:
        raise OperationError("division by zero")


def _shifted(value: Sequence[Block], divisor: int) -> Steps[list[Block]]:
    # x / 2^a is a shift: no look-up at all for an even amount
    amount = divisor.bit_length() - 1
    if amount >= MESSAGE_BITS * len(value):
        return constants(0, len(value))
    return (yield from shift_clear(value, amount, SHIFT_RIGHT))


def _without_twos(value: Sequence[Block], divisor: int, form: Form) -> Steps[tuple[Sequence[Block], int]]:
    """The same quotient, x / (2^a d) = (x >> a) / d, of less: fours leave for free, a two where that pays."""
    fours = ((divisor & -divisor).bit_length() - 1) // MESSAGE_BITS
    value, divisor = value[fours:], divisor >> (MESSAGE_BITS * fours)
    blocks = len(value)
    # A shift by one bit takes a look-up for each block.
    if divisor % 2 or _look_ups(divisor // 2, blocks, form) + blocks >= _look_ups(divisor, blocks, form):
        return value, divisor
    return (yield from shift_clear(value, 1, SHIFT_RIGHT)), divisor // 2


def _look_ups(divisor: int, blocks: int, form: Form) -> int:
    """About how many a quotient takes."""
    again = _repetition(divisor, blocks, form)
    return _by_product(divisor, blocks) if again is None else again.look_ups(blocks)


def _by_product(divisor: int, blocks: int) -> int:
    """About how many the product with the reciprocal takes."""
    factor, shift = reciprocal(divisor, MESSAGE_BITS * blocks)
    return product_look_ups(factor, shift + 1, blocks)


def _repetition(divisor: int, blocks: int, form: Form) -> Repetition | None:
    """How the reciprocal repeats, where sums that follow one another take less than a product."""
    # In the latency form a product's columns are packed side by side; sums would wait for one another.
    again = repetition(divisor, blocks) if divisor % 2 and form is Form.THROUGHPUT else None
    is_less = again is not None and again.look_ups(blocks) < _by_product(divisor, blocks)
    return again if is_less else None


def reciprocal(divisor: int, bits: int) -> tuple[int, int]:
    """m and t with floor(x / divisor) = floor(x m / 4^t) for every x of this many bits; the least t."""
    shift = 0
    while True:
        # m is rounded up, and what that adds, e = m d - 4^t < d, must not reach the quotient:
        # x e / (d 4^t) < 1/d for all x < 2^bits. Found by trying, since t is at most (bits + log2 d) / 2 + 1.
        power = 1 << (MESSAGE_BITS * shift)
        factor = -(-power // divisor)
        if (factor * divisor - power) << bits <= power:
            return factor, shift
        shift += 1


def remainder(value: Sequence[Block], divisor: int, form: Form = Form.THROUGHPUT) -> Steps[list[Block]]:
    """value modulo divisor; raises OperationError if that is zero."""
    _require(divisor)
    count = len(value)
    if divisor & (divisor - 1) == 0:
        # x mod 2^a keeps the low bits: known digits 3 and 0 decide their blocks for free, only a cut one is
        # looked up
        return (yield from bitwise(both, value, constants(divisor - 1, count)))
    whole = yield from divide(value, divisor, form)
    # The remainder is below the divisor: the difference is right modulo the divisor's own width.
    width = min(count, -(-(divisor - 1).bit_length() // MESSAGE_BITS))
    quiet = yield from refreshed(value[:width], OPERAND_NOISE_MAX)
    # x - q d modulo 4^width: products with a known number are free, only the sums cost.
    columns = clear_products(whole[:width], -divisor, width)
    for column, block in zip(columns, quiet, strict=True):
        column.append(block)
    return [*(yield from resolve(columns, form)), *constants(0, count - width)]


def multiply_divide(
    left: Sequence[Block], right: Sequence[Block], divisor: int, form: Form = Form.THROUGHPUT
) -> Steps[list[Block]]:
    """floor(left * right / divisor) with a product of double width, its low half."""
    _require(divisor)
    product = yield from multiply(left, right, form, columns=2 * len(left))
    return (yield from divide(product, divisor, form, wanted=len(left)))
