"""Quotients by a known divisor whose reciprocal repeats soon: 3, 5, 7, 15, 25, and such times a power of two.

If 4^p = 1 modulo d, then c = (4^p - 1) / d has at most p digits and 1/d = 0.ccc... in base 4. So r times c is

    m = c (1 + 4^p + ... + 4^(p (r - 1))) = (4^t - 1) / d   with t = p r,

and floor(x / d) = floor((x + 1) m / 4^t) for all x < 4^t. For (x + 1) m / 4^t is (x + 1) / d, which lies
between q + 1/d and q + 1 if q is the quotient, less (x + 1) / (d 4^t), which is positive and at most 1/d.

The sum in brackets is a product, (1 + 4^p) (1 + 4^2p) (1 + 4^4p) ..., if r is a power of two: a number is
added to itself, moved by p, 2 p, 4 p blocks. A sum of two numbers takes one look-up per block, and log2 r of
them take the place of the t columns of a product: a quotient by 5 of 64 bits is 190 look-ups in place of 553.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from streams.fhe.radix.block import Block, constants, digits
from streams.fhe.radix.columns import Columns, resolve
from streams.fhe.radix.multiplication import OPERAND_NOISE_MAX, clear_products, signed_digits
from streams.fhe.radix.steps import Steps, refreshed


@dataclass(frozen=True, slots=True)
class Repetition:
    """A reciprocal that repeats."""

    period: int  # p, in blocks
    content: int  # c
    count: int  # r, a power of two

    @property
    def places(self) -> int:
        """t: the quotient's blocks stand above so many."""
        return self.period * self.count

    def look_ups(self, blocks: int) -> int:
        """About how many a quotient takes, of a number of so many blocks."""
        # The product with the content, by its digits as below; then each sum: the number and what it grew by.
        sums = sum(blocks + (self.period << each) for each in range(self.count.bit_length() - 1))
        return max(blocks, product_look_ups(self.content, self.period + 1, blocks)) + sums


def product_look_ups(factor: int, digits_max: int, blocks: int) -> int:
    """About how many look-ups a product with a known factor of so many digits takes."""
    # A digit of 1 adds 3 to a column for each block of the number; a look-up takes about six away.
    return blocks * sum(map(abs, signed_digits(factor, digits_max))) // 2


def repetition(divisor: int, blocks: int) -> Repetition | None:
    """How an odd divisor's reciprocal repeats in a number of so many blocks; None if it does not."""
    period, power = 1, 4 % divisor
    while power != 1:
        period, power = period + 1, power * 4 % divisor
        if 2 * period > blocks:
            return None
    count = 1 << (-(-blocks // period) - 1).bit_length()
    return Repetition(period, (4**period - 1) // divisor, count) if count > 1 else None


def quotient(value: Sequence[Block], by: Repetition, kept: int) -> Steps[list[Block]]:
    """The low `kept` blocks of floor(value / divisor)."""
    width = by.places + kept  # nothing above is wanted: sums are taken modulo 4^width
    sums = yield from _first(value, by, width)
    distance = by.period
    while distance < by.places:
        columns: Columns = [[] for _ in range(min(len(sums) + distance, width))]
        for index, block in enumerate(sums):
            for place in (index, index + distance):
                if place < len(columns):
                    columns[place].append(block)
        distance *= 2
        # Of the last sum the blocks below the quotient only carry.
        sums = yield from resolve(columns, first_kept=by.places if distance == by.places else 0)
    found = sums[by.places :]
    return [*found, *constants(0, kept - len(found))]


def _first(value: Sequence[Block], by: Repetition, width: int) -> Steps[list[Block]]:
    """(value + 1) c."""
    quiet = yield from refreshed(value, OPERAND_NOISE_MAX)
    columns = clear_products(quiet, by.content, min(len(value) + by.period, width))
    for column, digit in zip(columns, digits(by.content, len(columns)), strict=True):
        column += [Block.constant(digit)] if digit else []
    return (yield from resolve(columns))
