"""Quotient and remainder by a known divisor; multiply, then divide.

A known divisor is a known reciprocal: floor(x / d) = floor(x m / 4^t) for all x below 2^N if
m = ceil(4^t / d) and (m d - 4^t) 2^N <= 4^t (Granlund, Montgomery, "Division by Invariant Integers using
Multiplication", PLDI 1994, theorem 4.2). The product with a known number needs no look-ups for its digits,
and taking t in base 4 makes the final shift free.
"""

from collections.abc import Sequence

from streams.domain.errors import OperationError
from streams.fhe.radix.bitwise import bitwise, both
from streams.fhe.radix.block import MESSAGE_BITS, Block, constants
from streams.fhe.radix.columns import resolve
from streams.fhe.radix.forms import Form
from streams.fhe.radix.multiplication import clear_products, multiply, multiply_clear
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
    largest = (1 << (MESSAGE_BITS * len(value))) - 1
    if divisor & (divisor - 1) == 0:
        return (yield from _shifted(value, divisor))[:blocks]
    # No quotient is longer than the largest one: columns above it are known zeros.
    kept = min(blocks, -(-(largest // divisor).bit_length() // MESSAGE_BITS))
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
    quotient = yield from divide(value, divisor, form)
    # The remainder is below the divisor: the difference is right modulo the divisor's own width.
    width = min(count, -(-(divisor - 1).bit_length() // MESSAGE_BITS))
    quiet = yield from refreshed(value[:width], OPERAND_NOISE_MAX)
    # x - q d modulo 4^width: products with a known number are free, only the sums cost.
    columns = clear_products(quotient[:width], -divisor, width)
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
