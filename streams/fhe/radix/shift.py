"""Shifts and rotations, by known and by encrypted amounts (taken modulo the width)."""

from collections.abc import Sequence
from dataclasses import dataclass

from streams.fhe.radix.block import BASE, MESSAGE_BITS, Block
from streams.fhe.radix.functions import bit, chosen, moved_here, moved_on, when
from streams.fhe.radix.steps import QUIET, LookUp, Steps, batch, firsts, identity, look_up, refreshed

OPERAND_NOISE_MAX = QUIET  # 4 neighbour + digit
BIT_WEIGHT = BASE  # of an amount's lowest bit, above a digit
MOVE_WEIGHT = 8  # of an amount's other bits, above a difference of digits


@dataclass(frozen=True, slots=True)
class Direction:
    """Which way bits go, and whether those that leave come back."""

    is_left: bool
    is_rotation: bool

    def source(self, blocks: Sequence[Block], index: int, distance: int) -> Block:
        """The block that lands at an index when all move by a number of blocks."""
        # blocks are lowest first: left is towards higher indices
        origin = index - distance if self.is_left else index + distance
        if self.is_rotation:
            return blocks[origin % len(blocks)]
        # zeros come in: numbers are unsigned, so a shift to the right has no sign to repeat
        return blocks[origin] if 0 <= origin < len(blocks) else Block.constant(0)


SHIFT_LEFT = Direction(is_left=True, is_rotation=False)
SHIFT_RIGHT = Direction(is_left=False, is_rotation=False)
ROTATE_LEFT = Direction(is_left=True, is_rotation=True)
ROTATE_RIGHT = Direction(is_left=False, is_rotation=True)


def shift_clear(value: Sequence[Block], amount: int, direction: Direction) -> Steps[list[Block]]:
    """By a known amount: whole blocks move for free, an odd amount costs a look-up per block."""
    # Whole blocks and a remaining bit: a width is a whole number of blocks.
    distance, odd = divmod(amount % (MESSAGE_BITS * len(value)), MESSAGE_BITS)
    moved = [direction.source(value, i, distance) for i in range(len(value))]
    if not odd:
        return moved
    neighbours = [direction.source(value, i, distance + 1) for i in range(len(value))]
    # A block is its own and its neighbour's source: it is refreshed once.
    wanted = [*moved, *(each for each in neighbours if each not in moved)]
    quiet = yield from refreshed(wanted, OPERAND_NOISE_MAX)
    fresh = dict(zip(map(id, wanted), quiet, strict=True))
    pairs = [(fresh[id(here)], _known(fresh, near)) for here, near in zip(moved, neighbours, strict=True)]
    return (yield from firsts([_merged(here, near, direction) for here, near in pairs]))


def _known(fresh: dict[int, Block], near: Block) -> Block:
    return fresh.get(id(near), near)


def _merged(here: Block, near: Block, direction: Direction) -> LookUp:
    left = 1 if direction.is_left else -1
    # sixteen values: both digits are clean, and the shifted one has a bit of each
    return look_up(near * BASE + here, _Merge(left))


@dataclass(frozen=True)
class _Merge:
    """Of 4 neighbour + digit: the digit after a shift by one bit."""

    # +1 to the left, -1 to the right, as `moved_here` and `moved_on` take it
    left: int

    def __call__(self, value: int) -> int:
        return moved_here(self.left)(value % BASE) | moved_on(self.left)(value // BASE)


def shift_encrypted(
    value: Sequence[Block], amount: Sequence[Block], direction: Direction
) -> Steps[list[Block]]:
    """By an encrypted amount: a barrel of selections, one look-up per block and bit of the amount.

    The lowest bit moves bits between neighbours: a digit and the bit have eight values, so what stays and
    what goes come from one bootstrap. Every other bit moves whole blocks, as x + T(x' - x + 8 c) in a
    selection.
    """
    if all(block.is_constant for block in amount):
        known = sum(block.low << (MESSAGE_BITS * i) for i, block in enumerate(amount))
        return (yield from shift_clear(value, known, direction))
    count = (MESSAGE_BITS * len(value)).bit_length() - 1  # widths are powers of two
    # The amount modulo the width is its low log2(width) bits; all others are never looked at.
    bits, blocks = yield from _amount_bits(value, amount, count)
    blocks = yield from _by_one_bit(blocks, bits[0], direction)
    # Bit k of the amount moves 2^k bits, that is 2^(k - 1) whole blocks.
    for index, condition in enumerate(bits[1:]):
        blocks = yield from _by_blocks(blocks, condition, 1 << index, direction)
    return blocks


def _amount_bits(
    value: Sequence[Block], amount: Sequence[Block], count: int
) -> Steps[tuple[list[Block], list[Block]]]:
    """The bits of the amount at the weights of their use, and the value with little noise, in one batch."""
    used = amount[: -(-count // MESSAGE_BITS)]
    # Both bits of a digit in one look-up, each at the weight at which it will be added.
    tables = [(bit(0, BIT_WEIGHT if i == 0 else MOVE_WEIGHT), bit(1, MOVE_WEIGHT)) for i in range(len(used))]
    noisy = [block for block in value if block.noise > OPERAND_NOISE_MAX]
    wanted = [look_up(block, *pair) for block, pair in zip(used, tables, strict=True)]
    results = yield from batch([*wanted, *(look_up(block, identity) for block in noisy)])
    fresh = iter(results[len(used) :])
    quiet = [next(fresh)[0] if block.noise > OPERAND_NOISE_MAX else block for block in value]
    bits = [each for pair in results[: len(used)] for each in pair]
    return bits[:count], quiet


def _by_one_bit(blocks: Sequence[Block], condition: Block, direction: Direction) -> Steps[list[Block]]:
    left = 1 if direction.is_left else -1
    stays = when(BIT_WEIGHT, identity, moved_here(left))
    goes = when(BIT_WEIGHT, _nothing, moved_on(left))
    parts = yield from batch([look_up(block + condition, stays, goes) for block in blocks])
    # message in part 0, what crosses to the neighbour in part 1
    moving = [part[1] for part in parts]
    # What stays and what comes in are different bits of the digit: their sum is at most 3.
    return [(part[0] + direction.source(moving, i, 1)).within(0, BASE - 1) for i, part in enumerate(parts)]


def _nothing(value: int) -> int:
    # a function of the module, as all that are looked up: tables are found by it
    del value
    return 0


def _by_blocks(
    blocks: Sequence[Block], condition: Block, distance: int, direction: Direction
) -> Steps[list[Block]]:
    # x' - x in [-3, 3] and 8 c: as in a selection between a block and the one that would land on it
    differences = [direction.source(blocks, i, distance) - block for i, block in enumerate(blocks)]
    parts = yield from firsts([look_up(d + condition, chosen(MOVE_WEIGHT, d.low)) for d in differences])
    return [(block + part).within(0, BASE - 1) for block, part in zip(blocks, parts, strict=True)]
