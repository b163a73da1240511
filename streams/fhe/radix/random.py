"""Random numbers from a seed: look-ups on blocks whose phase is uniform.

As in TFHE-rs 1.6 (`shortint/oprf`), a seed gives LWE ciphertexts that nobody encrypted: their phase is
uniform over the turn, and a bootstrap turns it into a uniform digit. Which one follows from the seed and the
secret key alone, so that both engines draw the same numbers. A device makes such a block without a keyswitch.

A digit costs a bootstrap, as there. The thirty-two positions of a turn can be laid out so that one bootstrap
gives two digits, at half of the cost, but those would be other numbers.
"""

from collections.abc import Sequence
from typing import Final

from streams.domain.errors import OperationError
from streams.fhe.radix.block import MESSAGE_BITS, Block, Wire
from streams.fhe.radix.steps import Steps, firsts, look_up
from streams.fhe.radix.table import SPACE, TURN

# TFHE-rs's table holds 1/2 in the first quarter of the turn and 3/2 in the second; half a turn negates them,
# and 3/2 is added to all.
BY_QUARTER: Final = (2, 3, 1, 0)


def digit(position: int) -> int:
    """Two bits: the quarter of the turn."""
    return BY_QUARTER[position % TURN * len(BY_QUARTER) // TURN]


def bit(position: int) -> int:
    """A single bit: the half of the turn."""
    return int(position % TURN < SPACE)


def seeded(data: object = None) -> Block:
    """A block of uniform phase over the whole turn, the padding bit included; it carries no noise."""
    # Noise 0 is what tells executors that this is a seeded ciphertext under the small key
    # (`device_executor`).
    return Block.of(Wire(0, 2 * (TURN - 1), 0, data))


def blocks_needed(bits: int) -> int:
    """Seeded blocks for a number of this many bits: one for each digit, the odd bit's included."""
    return -(-bits // MESSAGE_BITS)


def bits_below(bound: int, width: int) -> int:
    """Bits that a number below a bound has, at most the type's width; raises OperationError."""
    if bound <= 0 or bound & (bound - 1):
        raise OperationError("a bound of random numbers is a power of two")
    return min(bound.bit_length() - 1, width)


def random_digits(seeds: Sequence[Block], bits: int) -> Steps[list[Block]]:
    """A number that is uniform below 2^bits.

    Args:
        seeds: `blocks_needed(bits)` seeded blocks, each used once.
        bits: width of the result.
    """
    whole, odd = divmod(bits, MESSAGE_BITS)
    functions = [digit] * whole + [bit] * odd
    # Each seeded block is used once: two look-ups of one phase would give dependent digits.
    return firsts([look_up(seed, function) for seed, function in zip(seeds, functions, strict=True)])
