"""How many blocks an operation holds at a time, before it has begun: what its values will take.

Upper ends of what its algorithm has at its largest moment in the form with the fewest look-ups, with what the
look-ups in flight read and give. A test runs all of them up to 64 bits, `Mul`, `Div` and lists up to 128, and
counts; what wider ones hold follows from the formulas.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from streams.domain.operations import Operation

# Of the blocks of a number, and of how many operands are encrypted numbers; operands are not among them.
Made: TypeAlias = Callable[[int, int], int]


def most_held(operation: Operation, blocks: int, numbers: int) -> int:
    """Ciphertexts that an operation on numbers of so many blocks holds, its operands among them."""
    return numbers * blocks + _MADE.get(operation.name, _result)(blocks, numbers)


def _result(blocks: int, numbers: int) -> int:
    # Carries ripple: but for the digits that are through there is one in flight. Or all are made at once.
    del numbers
    return blocks + 2


def _moved(blocks: int, numbers: int) -> int:
    # Each bit of an encrypted amount adds a look-up to every digit, and stays a part of its sum.
    return blocks * (blocks.bit_length() + 2) if numbers > 1 else _result(blocks, numbers)


def _product(blocks: int, numbers: int) -> int:
    # Every pair of digits below the width; sums that are packed come beside them.
    return blocks * (blocks + 1) // 2 + 8 * blocks if numbers > 1 else _multiple(blocks, numbers)


def _multiple(blocks: int, numbers: int) -> int:
    # Products with known digits are free: what is held are the peels of the columns.
    del numbers
    return blocks * blocks // 8 + 5 * blocks


def _scaled(blocks: int, numbers: int) -> int:
    # A product of twice the width, and its product with a reciprocal.
    pairs = blocks * blocks
    return pairs + 16 * blocks if numbers > 1 else pairs // 2 + 10 * blocks


def _sum(blocks: int, numbers: int) -> int:
    # A peel takes sixteen away; the columns that it leaves wait for the ripple.
    return blocks * (numbers // 4 + 6)


def _found(blocks: int, numbers: int) -> int:
    # Every candidate is compared at once: a flag for each pair of digits, and then one for all.
    return numbers * (blocks // 2 + 3)


_MADE: Final[Mapping[str, Made]] = {
    **dict.fromkeys(("Shl", "Shr", "Rotl", "Rotr"), _moved),
    "Mul": _product,
    **dict.fromkeys(("Div", "Rem"), _multiple),
    "MulDiv": _scaled,
    "Sum": _sum,
    "IsIn": _found,
}
