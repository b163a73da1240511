"""Choosing between numbers by an encrypted Bool; minimum and maximum."""

from collections.abc import Sequence
from dataclasses import dataclass

from streams.fhe.radix.block import Block
from streams.fhe.radix.comparison import greater_or_equal
from streams.fhe.radix.forms import Form
from streams.fhe.radix.functions import chosen, differs, scaled, spared
from streams.fhe.radix.steps import BUDGET, Steps, first, firsts, look_up, refreshed

SELECT_WEIGHT = 8  # of a condition: differences of digits take seven values, the condition goes above them
OPERAND_NOISE_MAX = 19  # two operands and a condition: 39
LIGHT_NOISE_MAX = 2  # of a condition that is taken up to three times: 18


def select(condition: Block, yes: Sequence[Block], no: Sequence[Block]) -> Steps[list[Block]]:
    """yes if the condition is set, else no; one look-up per block if the condition has weight 8.

    With d = yes - no and a condition c of weight w above all differences, T(d + w c) = c d, and the result is
    no + T: its noise is one unit more than that of `no`. A known difference takes no look-up: c d is linear.
    """
    # 19 + 19 + 1 = 39, the whole budget: d = yes - no and a fresh condition
    operands = yield from refreshed([*yes, *no], OPERAND_NOISE_MAX)
    yes, no = operands[: len(yes)], operands[len(yes) :]
    # Inside a component a condition may be known: of trivial values, or of ranges that decide a comparison.
    if condition.low == condition.high:
        return list(yes if condition.high else no)
    pairs = [_Pair.of(x, y) for x, y in zip(yes, no, strict=True)]
    results = yield from _linear(condition, pairs)
    rest = [pair for pair, result in zip(pairs, results, strict=True) if result is None]
    looked_up = iter((yield from _looked_up(condition, rest)))
    chosen_blocks = [next(looked_up) if result is None else result for result in results]
    # y + (x - y) is a digit of x, y + 0 one of y: ranges of the parts would tell less.
    sides = zip(chosen_blocks, yes, no, strict=True)
    return [block.within(min(x.low, y.low), max(x.high, y.high)) for block, x, y in sides]


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two blocks to choose from: one of them, and what turns it into the other."""

    base: Block
    difference: Block
    is_set: bool  # whether a set condition chooses the other one

    @classmethod
    def of(cls, yes: Block, no: Block) -> "_Pair":
        # On top of a known block the result is as quiet as the look-up.
        if yes.is_constant and not no.is_constant:
            return cls(yes, no - yes, is_set=False)
        return cls(no, yes - no, is_set=True)


def _linear(condition: Block, pairs: Sequence[_Pair]) -> Steps[list[Block | None]]:
    """Results where the difference is known; none where it is not, or where they would be too noisy."""
    known = [pair.difference for pair in pairs if pair.difference.is_constant]
    light = condition
    # Once for all blocks: at most as many look-ups as there are such blocks.
    if any(difference.low for difference in known):
        light = yield from _light(condition)
    results = [
        pair.base + light * pair.difference.low if pair.difference.is_constant else None for pair in pairs
    ]
    return [each if each is not None and each.noise <= OPERAND_NOISE_MAX else None for each in results]


def _light(condition: Block) -> Steps[Block]:
    """The condition at weight 1."""
    if condition.high == 1 and condition.noise <= LIGHT_NOISE_MAX:
        return condition
    return (yield from first(look_up(condition, differs(0))))


def _looked_up(condition: Block, pairs: Sequence[_Pair]) -> Steps[list[Block]]:
    """Results by one look-up each."""
    if not pairs:
        return []
    # d in [-3, 3], 8 c + d in [5, 11]: fifteen values from -3 on, no two half a turn apart
    heavy = yield from _heavy(condition, [pair.difference for pair in pairs])
    tables = [(chosen if pair.is_set else spared)(heavy.high, pair.difference.low) for pair in pairs]
    wanted = [look_up(pair.difference + heavy, table) for pair, table in zip(pairs, tables, strict=True)]
    parts = yield from firsts(wanted)
    return [pair.base + part for pair, part in zip(pairs, parts, strict=True)]


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
