"""Order and equality of two numbers. Results are Bools: blocks of 0 and `weight`.

Whoever makes a condition makes it at the weight at which it is used: a selection wants 8, a stored Bool 1.
"""

from collections.abc import Sequence

from streams.fhe.radix.block import BASE, Block, total
from streams.fhe.radix.forms import Form
from streams.fhe.radix.functions import at_least, below, differs, equals, power_sign
from streams.fhe.radix.steps import BUDGET, LOADED, Steps, capped, first, firsts, look_up, together
from streams.fhe.radix.table import Function

# How many results fit into one look-up.
SIGNS_PER_LOOK_UP = 4  # 8 + 4 + 2 + 1 = 15 is the largest sum of signs below the padding bit's reach
FLAGS_PER_LOOK_UP = 16  # "none of n flags" has 17 values for n = 16, of which only 0 and 16 collide
BORROW_NOISE = 1  # a borrow is a look-up's result
ODD_NOISE_MAX = LOADED  # the blocks that a pair takes four times


def greater_or_equal(
    left: Sequence[Block], right: Sequence[Block], form: Form = Form.THROUGHPUT, weight: int = 1
) -> Steps[Block]:
    """weight * [left >= right]."""
    return _order(left, right, form, at_least(0, weight))


def less(
    left: Sequence[Block], right: Sequence[Block], form: Form = Form.THROUGHPUT, weight: int = 1
) -> Steps[Block]:
    """weight * [left < right]."""
    return _order(left, right, form, below(0, weight))


def _order(left: Sequence[Block], right: Sequence[Block], form: Form, last: Function) -> Steps[Block]:
    # 16 look-ups after one another or 21 in three batches (64 bits, `bench counts`)
    if form is Form.THROUGHPUT:
        return _ripple(left, right, last)
    return _tournament(left, right, last)


def _ripple(left: Sequence[Block], right: Sequence[Block], last: Function) -> Steps[Block]:
    # What selections made one after the other is refreshed where a difference and its borrow would not fit.
    most = BUDGET - BORROW_NOISE
    caps = [most / 2 if x.noise + y.noise > most else most for x, y in zip(left, right, strict=True)]
    quiet = yield from _capped(left, right, caps)
    return (yield from _borrow(_differences(*quiet), last))


def _differences(left: Sequence[Block], right: Sequence[Block]) -> list[Block]:
    return [x - y for x, y in zip(left, right, strict=True)]


def _borrow(differences: Sequence[Block], last: Function) -> Steps[Block]:
    """Whether a subtraction borrows, two blocks per look-up and nothing else: 16 for 64 bits.

    With 4 d1 + d0 in [-15, 15] and the borrow b from below, v = 4 d1 + d0 - b lies in [-16, 15]. The new
    borrow is [v < 0], and v and v + 16 always disagree about it: the padding bit is a whole bit of the table.
    """
    # Lowest blocks first: a borrow goes upwards, and the last one is the answer.
    rest, borrow = list(differences), Block.constant(0)
    while rest:
        pair = total([rest[0], rest[1] * BASE, -borrow]) if len(rest) > 1 else rest[0] - borrow
        # Operands that carry the noise of selections may be too noisy to be taken four times.
        if pair.noise > BUDGET:
            pair, rest = rest[0] - borrow, rest[1:]
        else:
            rest = rest[2:]
        borrow = yield from first(look_up(pair, below(0) if rest else last))
    return borrow


def _tournament(left: Sequence[Block], right: Sequence[Block], last: Function) -> Steps[Block]:
    """Signs of pairs, of sums of four signs, and so on: 21 look-ups at depth 3 for 64 bits."""
    quiet = yield from _quiet(left, right)
    level = _pairs(_differences(*quiet))
    while len(level) > 1:
        # The highest pair that differs decides: weights 1, 2, 4, 8 let its sign outweigh all below it.
        signs = [look_up(x, power_sign(i % SIGNS_PER_LOOK_UP)) for i, x in enumerate(level)]
        results = yield from firsts(signs)
        level = [total(results[i : i + SIGNS_PER_LOOK_UP]) for i in range(0, len(results), SIGNS_PER_LOOK_UP)]
    return (yield from first(look_up(level[0], last)))


def _quiet(left: Sequence[Block], right: Sequence[Block]) -> Steps[list[list[Block]]]:
    """Both numbers, no pair 4 d1 + d0 of their differences above the budget."""
    above = [[*left[i + 1 : i + 2], *right[i + 1 : i + 2]] for i in range(len(left))]
    caps = [ODD_NOISE_MAX if i % 2 else _room(above[i]) for i in range(len(left))]
    return (yield from _capped(left, right, caps))


def _capped(left: Sequence[Block], right: Sequence[Block], caps: Sequence[float]) -> Steps[list[list[Block]]]:
    # Both sides at once, so that refreshing costs one batch and not two.
    return (yield from together([capped(left, caps), capped(right, caps)]))


def _room(odd: Sequence[Block]) -> float:
    """The noise that each of two even blocks may have beside these odd ones, which are taken four times."""
    # What is too noisy will be refreshed and has noise 1 then: 1.6 beside loaded blocks, 3.5 beside fresh.
    taken = sum(block.noise if block.noise <= ODD_NOISE_MAX else 1 for block in odd)
    return (BUDGET - BASE * BASE * taken) / 2


def _pairs(differences: Sequence[Block]) -> list[Block]:
    lows, highs = differences[::2], differences[1::2]
    paired = [low + high * BASE for low, high in zip(lows, highs, strict=False)]
    # an odd number of blocks leaves the highest one by itself; only a Bool has one
    return [*paired, *lows[len(highs) :]]


def equal(left: Sequence[Block], right: Sequence[Block], weight: int = 1) -> Steps[Block]:
    """weight * [left = right]."""
    return _same(left, right, equals(0, weight))


def not_equal(left: Sequence[Block], right: Sequence[Block], weight: int = 1) -> Steps[Block]:
    """weight * [left != right]."""
    return _same(left, right, differs(0, weight))


def _same(left: Sequence[Block], right: Sequence[Block], last: Function) -> Steps[Block]:
    """Two numbers are equal if no pair of blocks differs: 4 d1 + d0 is 0 only if both are."""
    quiet = yield from _quiet(left, right)
    pairs = _pairs(_differences(*quiet))
    if len(pairs) == 1:
        return (yield from first(look_up(pairs[0], last)))
    # In [-15, 15] only 0 itself has no partner half a turn away: "differs" is 1 - [v = 0].
    flags = yield from firsts([look_up(pair, differs(0)) for pair in pairs])
    return (yield from any_of(flags, last))


def any_of(flags: Sequence[Block], last: Function) -> Steps[Block]:
    """`last` of a number that is 0 exactly if no flag is set; sixteen flags per look-up."""
    flags = list(flags)
    while len(flags) > FLAGS_PER_LOOK_UP:
        # Only as many groups as needed: a group of sixteen saves fifteen, whatever remains waits.
        # 31 flags: one group of sixteen becomes one flag, which leaves sixteen for the last look-up
        excess = len(flags) - FLAGS_PER_LOOK_UP
        groups = min(-(-excess // (FLAGS_PER_LOOK_UP - 1)), len(flags) // FLAGS_PER_LOOK_UP)
        taken = groups * FLAGS_PER_LOOK_UP
        sums = [total(flags[i : i + FLAGS_PER_LOOK_UP]) for i in range(0, taken, FLAGS_PER_LOOK_UP)]
        flags = [*(yield from firsts([look_up(each, differs(0)) for each in sums])), *flags[taken:]]
    # Seventeen values: 0 and 16 share a box, and a single pair always has a constant sum (`radix/table`).
    return (yield from first(look_up(total(flags), last)))
