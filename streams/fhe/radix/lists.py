"""Operations on lists: sum of many numbers, membership."""

from collections.abc import Sequence

from streams.fhe.radix.block import BASE, Block
from streams.fhe.radix.columns import resolve
from streams.fhe.radix.comparison import any_of, equal
from streams.fhe.radix.forms import Form
from streams.fhe.radix.functions import differs, scaled
from streams.fhe.radix.steps import QUIET, Steps, first, firsts, look_up, refreshed, together

OPERAND_NOISE_MAX = QUIET  # a pair of digits; columns would take blocks of a noise up to 9
# three digits would have 64 values, of which a table holds sixteen
PACKED = 2  # digits in one look-up: 4 d1 + d0 is at most 15


def total_of(
    values: Sequence[Sequence[Block]], blocks: int, form: Form = Form.THROUGHPUT
) -> Steps[list[Block]]:
    """The sum of numbers modulo 4^blocks; of none it is 0. Columns are packed as in a product."""
    quiet = yield from refreshed([block for value in values for block in value], OPERAND_NOISE_MAX)
    columns = [quiet[i::blocks] for i in range(blocks)]  # a column per digit, a block per number
    return (yield from resolve(columns, form))


def contains(candidates: Sequence[Sequence[Block]], value: Sequence[Block], weight: int = 1) -> Steps[Block]:
    """weight * [value is among the candidates]; of none it is false."""
    # A list that is empty has a known answer, which costs nothing.
    if not candidates:
        return Block.constant(0)
    # What is there twice is compared once: equal look-ups would give equal flags, whose noises add up.
    distinct = dict.fromkeys(tuple(candidate) for candidate in candidates)
    # All comparisons share their batches: a list is no deeper than one of its elements.
    flags = yield from together([equal(candidate, value) for candidate in distinct])
    # a flag is already the answer, up to its weight
    if len(flags) == 1:
        return (yield from first(look_up(flags[0], scaled(weight))))
    return (yield from any_of(flags, differs(0, weight)))


def widened(value: Sequence[Block], blocks: int) -> list[Block]:
    """A cast: high blocks are cut off or known zeros. A Bool becomes a number of one low digit."""
    missing = blocks - len(value)
    # zero extension: numbers are unsigned
    return [*value[:blocks], *(Block.constant(0) for _ in range(missing))]


def truth(value: Sequence[Block]) -> Steps[Block]:
    """A cast to Bool: whether any digit is set."""
    quiet = yield from refreshed(value, OPERAND_NOISE_MAX)
    groups = [_packed(quiet[i : i + PACKED]) for i in range(0, len(quiet), PACKED)]
    if len(groups) == 1:
        return (yield from first(look_up(groups[0], differs(0))))
    flags = yield from firsts([look_up(group, differs(0)) for group in groups])
    return (yield from any_of(flags, differs(0)))


def _packed(group: Sequence[Block]) -> Block:
    return group[0] if len(group) == 1 else group[0] + group[1] * BASE
