"""Choosing between numbers by an encrypted Bool; minimum and maximum."""

from collections.abc import Sequence

from streams.fhe.radix.block import Block
from streams.fhe.radix.comparison import greater_or_equal
from streams.fhe.radix.forms import Form
from streams.fhe.radix.functions import chosen, scaled
from streams.fhe.radix.steps import BUDGET, Steps, first, firsts, look_up, refreshed

SELECT_WEIGHT = 8  # of a condition: differences of digits take seven values, the condition goes above them
OPERAND_NOISE_MAX = 19  # two operands and a condition: 39


def select(condition: Block, yes: Sequence[Block], no: Sequence[Block]) -> Steps[list[Block]]:
    """yes if the condition is set, else no; one look-up per block if the condition has weight 8.

    With d = yes - no and a condition c of weight w above all differences, T(d + w c) = c d, and the result is
    no + T: its noise is one unit more than that of `no`.
    """
    # 19 + 19 + 1 = 39, the whole budget: d = yes - no and a fresh condition
    operands = yield from refreshed([*yes, *no], OPERAND_NOISE_MAX)
    yes, no = operands[: len(yes)], operands[len(yes) :]
    differences = [x - y for x, y in zip(yes, no, strict=True)]  # each in [-3, 3]
    # Inside a component a condition may be known (a comparison of trivial values).
    if condition.is_constant:
        return list(yes if condition.high else no)
    # d in [-3, 3], 8 c + d in [5, 11]: fifteen values from -3 on, no two half a turn apart
    heavy = yield from _heavy(condition, differences)
    weight = heavy.high
    parts = yield from firsts([look_up(d + heavy, chosen(weight, d.low)) for d in differences])
    sums = zip(no, parts, yes, strict=True)
    # y + (x - y) is a digit of x, y + 0 one of y: ranges of the parts would tell less.
    return [(y + part).within(min(x.low, y.low), max(x.high, y.high)) for y, part, x in sums]


def _heavy(condition: Block, differences: Sequence[Block]) -> Steps[Block]:
    """The condition at a weight above all differences: as it is, multiplied, or looked up."""
    # values that d can take: the condition has to lift all of them above the largest
    span = max(d.high - d.low for d in differences) + 1
    if condition.high >= span:
        return condition
    factor = -(-span // condition.high)
    noise = max(d.noise for d in differences) + factor * factor * condition.noise
    # A branch that is known needs only weight 4: its noise is 17, multiplying is free.
    if noise <= BUDGET:
        return condition * factor
    return (yield from first(look_up(condition, scaled(SELECT_WEIGHT // condition.high))))


def maximum(
    left: Sequence[Block], right: Sequence[Block], form: Form = Form.THROUGHPUT
) -> Steps[list[Block]]:
    """The larger of two numbers."""
    return (yield from select((yield from greater_or_equal(left, right, form, SELECT_WEIGHT)), left, right))


def minimum(
    left: Sequence[Block], right: Sequence[Block], form: Form = Form.THROUGHPUT
) -> Steps[list[Block]]:
    """The smaller of two numbers."""
    return (yield from select((yield from greater_or_equal(left, right, form, SELECT_WEIGHT)), right, left))
