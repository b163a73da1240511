"""Products: of two numbers, and of a number with a known one."""

import operator
from collections.abc import Sequence

from streams.fhe.radix.block import BASE, MESSAGE_BITS, Block
from streams.fhe.radix.columns import Columns, resolve
from streams.fhe.radix.forms import Form
from streams.fhe.radix.functions import of_pair
from streams.fhe.radix.steps import QUIET, Steps, firsts, look_up, refreshed

OPERAND_NOISE_MAX = QUIET  # 4 a + b; a multiple of a known digit: 4 * 2.234 < 9


def multiply(
    left: Sequence[Block],
    right: Sequence[Block],
    form: Form = Form.THROUGHPUT,
    columns: int | None = None,
) -> Steps[list[Block]]:
    """left * right modulo 4^columns (as many as the operands have, if not stated).

    One look-up per pair of digits gives their whole product, 0 to 9: digits are not cut into low and high
    parts before they are summed.
    """
    width = len(left) if columns is None else columns
    # A plaintext operand comes as constant blocks; about 270 look-ups in place of 1,168 for 64 bits.
    for value, factor in ((left, right), (right, left)):
        if all(block.is_constant for block in factor):
            return (yield from multiply_clear(value, _known(factor), width, form=form))
    operands = yield from refreshed([*left, *right], OPERAND_NOISE_MAX)
    x, y = operands[: len(left)], operands[len(left) :]
    # Pairs above the width would only carry out of it.
    places = [(i, j) for i in range(len(x)) for j in range(len(y)) if i + j < width]
    # A known digit, as a cast or a mask leaves it, is multiplied for free. Looked up, equal ones would give
    # equal words, which no sum of columns knows of.
    places = [(i, j) for i, j in places if not (x[i].is_constant or y[j].is_constant)]
    # one function object for all pairs, hence one table in the batch
    product = of_pair(operator.mul, BASE)
    products = yield from firsts([look_up(x[i] * BASE + y[j], product) for i, j in places])
    # x y = known(x) y + (x - known(x)) known(y) + the pairs
    hidden = [Block.constant(0) if block.is_constant else block for block in x]
    free = clear_products(y, _known(x), width), clear_products(hidden, _known(y), width)
    sums: Columns = [[*first, *second] for first, second in zip(*free, strict=True)]
    # digit i of x times digit j of y counts 4^(i + j)
    for (i, j), block in zip(places, products, strict=True):
        sums[i + j].append(block)
    return (yield from resolve(sums, form))


def _known(number: Sequence[Block]) -> int:
    """The number that the known digits make, the others taken as 0."""
    return sum(block.low << (MESSAGE_BITS * i) for i, block in enumerate(number) if block.is_constant)


def multiply_clear(
    value: Sequence[Block],
    factor: int,
    columns: int,
    form: Form = Form.THROUGHPUT,
    # for `division`: it wants the high half of a product, of the low one only what it carries
    first_kept: int = 0,
) -> Steps[list[Block]]:
    """value * factor modulo 4^columns: products with known digits are free, only the sums cost."""
    quiet = yield from refreshed(value, OPERAND_NOISE_MAX)
    return (yield from resolve(clear_products(quiet, factor, columns), form, first_kept))


def clear_products(value: Sequence[Block], factor: int, columns: int) -> Columns:
    """The columns of value * factor, modulo 4^columns."""
    sums: Columns = [[] for _ in range(columns)]
    for shift, digit in enumerate(signed_digits(factor, columns)):
        # Products with a digit of 0 are left out; noise of the others: 1 for a digit of 1 or -1, 4 for 2.
        for i, block in enumerate(value[: max(0, columns - shift)]):
            if digit and not (block.is_constant and block.low == 0):
                sums[i + shift].append(block * digit)
    return sums


def signed_digits(value: int, count: int) -> list[int]:
    """Digits -1, 0, 1, 2 of a number modulo 4^count, lowest first: smaller and quieter than 0 to 3."""
    found: list[int] = []
    for _ in range(count):
        digit = (value + 1) % BASE - 1  # 3 is -1 and one more above: noise 1 instead of 9
        found.append(digit)
        # what carries out of the last digit is a multiple of 4^count: nothing modulo it
        value = (value - digit) // BASE
    return found
