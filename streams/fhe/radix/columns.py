"""Sums of many blocks: columns of digits are packed until one digit per column is left.

Three ways to make a column smaller, best first:

*Peel.* Of a sum v up to 31 look up h = 4 [v >= 16]: v and v + 16 always disagree, so the padding bit serves
as the fifth bit. Sixteen in this column are four in the next one: h goes there as it is, and v - 4 h, at
most 15, stays. One look-up takes 16 away; the price is noise, since h enters v - 4 h four times (16 units).
*Split.* Of a sum up to 15 look up message and carry: two look-ups take 12 away and leave fresh digits.
*Split by one.* Of a sum up to 7 one bootstrap gives both.

Counts are least when columns are packed full: whatever does not fill a group waits for the next round. What
no round can pack is resolved from the lowest column upwards; the last split of a column is its digit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from streams.fhe.radix.addition import TWO_TABLES, look_ahead, split
from streams.fhe.radix.block import BASE, DIGIT_MAX, Block, digits, total
from streams.fhe.radix.forms import Form
from streams.fhe.radix.functions import at_least, carry, message
from streams.fhe.radix.steps import (
    BUDGET,
    LOADED,
    QUIET,
    LookUp,
    Steps,
    batch,
    first,
    firsts,
    identity,
    look_up,
)
from streams.fhe.radix.table import Function

# Largest values and noises of a group; every limit follows from sixteen boxes and a budget of 39.
HALF: Final = 16  # v and v + HALF share a box
PEEL_MAX: Final = 2 * HALF - 1
SPLIT_MAX: Final = HALF - 1
PEEL_WEIGHT: Final = 4  # 16 of this column in units of the next one
PEEL_NOISE_MAX: Final = BUDGET - PEEL_WEIGHT * PEEL_WEIGHT  # what stays after a peel can still be looked up
FULL: Final = 30  # a group that is worth a peel while others may still fill up
FULL_AT_ONCE: Final = 27  # the same where depth counts: three products
LOOK_AHEAD_MAX: Final = 6  # of a column, for a look-ahead addition
LOOK_AHEAD_NOISE: Final = QUIET

Columns = list[list[Block]]


def resolve(
    columns: Sequence[Sequence[Block]], form: Form = Form.THROUGHPUT, first_kept: int = 0
) -> Steps[list[Block]]:
    """Clean digits of the sum of all blocks, modulo 4^columns.

    Args:
        columns: blocks of any sign by weight, lowest first; each with a noise of at most 9.
        form: THROUGHPUT for the fewest look-ups.
        first_kept: digits below this column are not wanted, only what they carry; they come as zeros.
    """
    packed = _positive(columns)  # sizes are judged by the upper ends of ranges that start at 0
    if form is Form.LATENCY:
        packed = yield from _rounds(packed, FULL_AT_ONCE, at_once=True)
        # Peels first, since they take the most away per look-up; what they leave is too small for them.
        packed = yield from _wallace(packed)
        return (yield from look_ahead((yield from _paired([total(column) for column in packed]))))
    packed = yield from _rounds(packed, FULL, at_once=False)
    return (yield from _upwards(packed, first_kept))


def _positive(columns: Sequence[Sequence[Block]]) -> Columns:
    """All blocks moved to ranges that start at 0; the constant that this takes is added as known digits."""
    # Negative lower ends come from signed digits of a known factor. 4^columns is 0, so a negative offset is
    # digits like any other.
    offset = sum(block.low << (2 * i) for i, column in enumerate(columns) for block in column)
    moved = [[block - block.low for block in column if not block.is_constant] for column in columns]
    for column, digit in zip(moved, digits(offset, len(moved)), strict=True):
        # added in front of a look-up, so free; they only take room in a group
        column += [Block.constant(digit)] if digit else []
    return moved


@dataclass(frozen=True, slots=True)
class _Action:
    """A look-up on a group of a column and where its results go."""

    column: int
    group: Block
    is_peel: bool

    def _functions(self, columns: int) -> tuple[Function, ...]:
        is_last = self.column + 1 == columns
        if self.is_peel:
            # No column above takes the carry: take sixteen away at full weight, without the noise.
            return (at_least(HALF, HALF if is_last else PEEL_WEIGHT),)
        # Modulo 4^columns nothing leaves the highest column.
        return (message,) if is_last else (message, carry)

    def look_ups(self, columns: int) -> list[LookUp]:
        """One look-up with two tables where the range allows, else one each."""
        functions = self._functions(columns)
        if self.group.high < TWO_TABLES:
            return [look_up(self.group, *functions)]
        return [look_up(self.group, function) for function in functions]

    def apply(self, columns: Columns, results: Sequence[Block]) -> None:
        """Puts the results in their columns."""
        if self.is_peel:
            # v - 16 [v >= 16]: the flag has weight 4 here, so it is taken four times (noise 16); in the
            # highest column it was made at weight 16 and is taken once.
            taken = results[0] * (1 if results[0].high == HALF else PEEL_WEIGHT)
            # v - 16 [v >= 16] lies in [0, 15] for every v up to 31.
            columns[self.column].append((self.group - taken).within(0, SPLIT_MAX))
        else:
            columns[self.column].append(results[0])
        # A peel's flag goes up as it is, its weight of 4 is that of the next column. A split's second
        # result is the carry.
        rest = results if self.is_peel else results[1:]
        for block in rest if self.column + 1 < len(columns) else ():
            columns[self.column + 1].append(block)


def _apply_all(columns: Columns, actions: Sequence[_Action]) -> Steps[None]:
    wanted = [action.look_ups(len(columns)) for action in actions]
    results = iter((yield from batch([each for look_ups in wanted for each in look_ups])))
    for action, look_ups in zip(actions, wanted, strict=True):
        action.apply(columns, [block for _ in look_ups for block in next(results)])


def _rounds(columns: Columns, full: int, *, at_once: bool) -> Steps[Columns]:
    """Peels full groups of all columns side by side until there is none."""
    # copied: columns are emptied and filled again in place
    columns = [list(column) for column in columns]
    while True:
        actions: list[_Action] = []
        for index, column in enumerate(columns):
            groups = _groups(column, PEEL_MAX, PEEL_NOISE_MAX)
            chosen = [group for group in groups if group.high >= full]
            chosen = chosen if at_once else _first_part(chosen)
            actions += [_Action(index, total(group.blocks), is_peel=True) for group in chosen]
            # Emptied at once, refilled by `apply`: a round's results must not be grouped in the same round.
            column[:] = [block for group in groups if group not in chosen for block in group.blocks]
        if not actions:
            return columns
        yield from _apply_all(columns, actions)


def _upwards(columns: Columns, first_kept: int) -> Steps[list[Block]]:
    """Finishes column after column from the lowest: each one's carry is a block of the next."""
    clean: list[Block] = []
    for index, column in enumerate(columns):
        while not _fits(column):
            column[:], actions = _reduced(index, column)
            yield from _apply_all(columns, actions)
        is_last = index + 1 == len(columns)
        # Below the kept columns a digit is not wanted, only its carry: half of the look-ups where a range
        # has more than eight values.
        if index < first_kept:
            digit, moving = Block.constant(0), (yield from _carry_of(total(column)))
        else:
            digit, moving = yield from split(total(column), with_carry=not is_last)
        clean.append(digit)
        if not is_last:
            columns[index + 1].append(moving)
    return clean


def _carry_of(column: Block) -> Steps[Block]:
    # no sum that small can carry
    if column.high <= DIGIT_MAX:
        return Block.constant(0)
    return (yield from first(look_up(column, carry)))


def _fits(column: Sequence[Block]) -> bool:
    whole = total(column)
    return whole.high <= SPLIT_MAX and whole.noise <= BUDGET


def _reduced(index: int, column: Sequence[Block]) -> tuple[list[Block], list[_Action]]:
    """A step on an unfinished column: peel full groups, or else the fullest, or else split the noisiest.

    A group that is not full waits: what a peel leaves of another one will fill it.
    """
    groups = _groups(column, PEEL_MAX, PEEL_NOISE_MAX)
    chosen = _first_part([group for group in groups if group.high >= FULL])
    chosen = chosen or [max(groups, key=lambda group: group.high)]
    # Nothing can be peeled off a group of at most 15: it is split, the noisiest first, because a split's
    # results are fresh and quiet groups may still grow.
    is_peel = chosen[0].high > SPLIT_MAX
    if not is_peel:
        chosen = [max(groups, key=lambda group: (group.noise, group.high))]
    rest = [block for group in groups if group not in chosen for block in group.blocks]
    return rest, [_Action(index, total(group.blocks), is_peel=is_peel) for group in chosen]


def _first_part(groups: "list[_Group]") -> "list[_Group]":
    """Two thirds of the groups: the rest is kept to fill up what peeling these will leave.

    Three products of at most 9 and a carry of 4 fill a group; with all of them peeled at once only small
    blocks would be left to go with the remainders of 15. (Thirds were found by trying: 1,168 look-ups for a
    product of 64 bits instead of 1,323.)
    """
    return groups[: max(1, 2 * len(groups) // 3)]


class _Group:
    """Blocks that are looked up as one sum."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.high = 0
        self.noise = 0.0
        self._factors = dict[bytes, int]()  # by the wire's name, whose hash is not computed again

    def takes(self, block: Block, high_max: int, noise_max: float) -> bool:
        """Whether the sum with this block can still be looked up."""
        # A single block always fits: if it is noisier than allowed it must be looked up somewhere, and only
        # here.
        if not self.blocks:
            return True
        return self.high + block.high <= high_max and self.noise + self._added(block) <= noise_max

    def add(self, block: Block) -> None:
        """Puts a block in; ranges add up, and noises of different wires."""
        self.blocks.append(block)
        self.high += block.high
        self.noise += self._added(block)
        for wire, factor in block.terms:
            self._factors[wire.name] = self._factors.get(wire.name, 0) + factor

    def _added(self, block: Block) -> float:
        noise = block.noise
        for wire, factor in block.terms:
            # (f + g)^2 = f^2 + g^2 + 2 f g of a wire that is in f times already: x + x has noise 4, not 2
            if wire.name in self._factors:
                noise += 2 * self._factors[wire.name] * factor * wire.noise
        return noise


def _groups(column: Iterable[Block], high_max: int, noise_max: float) -> list[_Group]:
    """First fit; the noisiest first, so that what a peel has left is filled up before it is too noisy."""
    groups: list[_Group] = []
    # Sorting is stable and blocks come in a fixed order, so the same operation packs the same way
    # everywhere: the bits of the result depend on it.
    for block in sorted(column, key=lambda block: (-block.noise, -block.high)):
        group = next((each for each in groups if each.takes(block, high_max, noise_max)), None)
        if group is None:
            group = _Group()
            groups.append(group)
        group.add(block)
    return groups


def _wallace(columns: Columns) -> Steps[Columns]:
    """Splits groups up to 15 of all columns side by side until every column is at most 6."""
    columns = [list(column) for column in columns]
    while any(_is_tall(column) for column in columns):
        actions: list[_Action] = []
        for index, column in enumerate(columns):
            if not _is_tall(column):
                continue
            groups = _groups(column, SPLIT_MAX, BUDGET)
            # a single clean digit would come back as itself
            chosen = [group for group in groups if group.high > DIGIT_MAX or group.noise > LOADED]
            actions += [_Action(index, total(group.blocks), is_peel=False) for group in chosen]
            column[:] = [block for group in groups if group not in chosen for block in group.blocks]
        yield from _apply_all(columns, actions)
    return columns


def _paired(sums: list[Block]) -> Steps[list[Block]]:
    """The sums, refreshed where a pair 4 s1 + s0 of the look-ahead would be too noisy.

    Neighbouring columns of a product with a known number hold the same wires: their noises do not add as
    squares, so that two quiet sums may be a noisy pair.
    """
    # odd blocks: they are the ones that a pair takes four times
    noisy = [i for i in range(1, len(sums), 2) if (sums[i] * BASE + sums[i - 1]).noise > BUDGET]
    fresh = yield from firsts([look_up(sums[i], identity) for i in noisy])
    replaced = dict(zip(noisy, fresh, strict=True))
    return [replaced.get(i, block) for i, block in enumerate(sums)]


def _is_tall(column: Sequence[Block]) -> bool:
    whole = total(column)
    return whole.high > LOOK_AHEAD_MAX or whole.noise > LOOK_AHEAD_NOISE
