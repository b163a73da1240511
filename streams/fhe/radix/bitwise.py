"""And, or, exclusive or, complement: digit by digit."""

from collections.abc import Callable, Sequence
from typing import Final

from streams.fhe.radix.block import DIGIT_MAX, Block
from streams.fhe.radix.functions import of_pair, with_constant
from streams.fhe.radix.steps import QUIET, LookUp, Steps, batch, look_up, refreshed

Digitwise = Callable[[int, int], int]
PACKED_NOISE_MAX: Final = QUIET  # a + 4 b


def both(x: int, y: int) -> int:
    """Bits set in both."""
    return x & y


def either(x: int, y: int) -> int:
    """Bits set in either."""
    return x | y


def one(x: int, y: int) -> int:
    """Bits set in one of them."""
    return x ^ y


def bitwise(function: Digitwise, left: Sequence[Block], right: Sequence[Block]) -> Steps[list[Block]]:
    """A function of the bits of two numbers: one look-up per block, none where a known digit decides it."""
    # Both: `_planned` may turn a pair round, and either side may be the one that is multiplied by four.
    operands = yield from refreshed([*left, *right], PACKED_NOISE_MAX)
    pairs = list(zip(operands[: len(left)], operands[len(left) :], strict=True))
    planned = [_planned(function, x, y) for x, y in pairs]
    results = iter((yield from batch([each for each in planned if isinstance(each, LookUp)])))
    return [next(results)[0] if isinstance(each, LookUp) else each for each in planned]


def _planned(function: Digitwise, x: Block, y: Block) -> LookUp | Block:
    if x.is_constant:
        x, y = y, x  # the functions are symmetric
    if not y.is_constant:
        # y.high + 1 and not always 4: of two Bools the pair has four values, with noise 4 + 1 in place of
        # 16 + 1
        return look_up(x * (y.high + 1) + y, of_pair(function, y.high + 1))
    table = with_constant(function, y.low)
    # What a known digit decides (x and 0, x or 3) costs nothing: with a random constant half of the
    # look-ups go.
    values = [table(value) for value in range(x.high + 1)]
    if len(set(values)) == 1:
        return Block.constant(values[0])
    if values == list(range(x.high + 1)):
        return x
    if values == list(range(x.high, -1, -1)):
        # x xor 3 is the complement: linear, hence free
        return -x + x.high
    return look_up(x, table)


def complement(value: Sequence[Block], top: int = DIGIT_MAX) -> list[Block]:
    """All bits turned: free. `top` is the largest value of a block, 1 for a Bool."""
    # Not from the block's own range: a digit that is known, or was masked, ends below the largest one.
    return [-block + top for block in value]
