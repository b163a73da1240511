"""Random numbers from a seed: look-ups on blocks whose phase is uniform.

As in TFHE-rs (`shortint/oprf`), a seed gives LWE ciphertexts that nobody encrypted: their phase is uniform on
the torus, and a bootstrap turns it into a uniform number. A device makes such a block without a keyswitch.
TFHE-rs takes one digit from each; here it is two, since the thirty-two positions of a turn can be laid out so
that they hit each pair of digits exactly twice.
"""

from collections.abc import Sequence
from typing import Final

from streams.fhe.radix.block import DIGIT_MAX, MESSAGE_BITS, Block, Wire
from streams.fhe.radix.steps import Steps, batch, look_up
from streams.fhe.radix.table import SPACE, TURN

DIGITS_PER_LOOK_UP: Final = 2
QUARTER: Final = SPACE // DIGITS_PER_LOOK_UP  # boxes between the two results
# A digit d stands for the odd number 2 d - 3; half a turn negates it. With T[v] = a, T[v + 8] = b the pairs
# read at v, v + 8, v + 16, v + 24 are (a, b), (b, -a), (-a, -b), (-b, a): these four orbits cover all
# sixteen pairs, and eight boxes hold each orbit twice.
ORBITS: Final = ((1, 1), (1, 3), (3, 1), (3, 3))


def first_digit(position: int) -> int:
    """The digit read at a position of the turn."""
    # Positions of a turn are equally likely: each pair of digits, read at two of 32, has probability 1/16.
    quarter, box = divmod(position % TURN, QUARTER)
    a, b = ORBITS[box % len(ORBITS)]
    return ((a, b, -a, -b)[quarter] + DIGIT_MAX) // 2


def second_digit(position: int) -> int:
    """The digit read a quarter of a turn further."""
    return first_digit(position + QUARTER)


def half_turn(position: int) -> int:
    """A single bit: which half of the turn."""
    return int(position % TURN < SPACE)


def seeded(data: object = None) -> Block:
    """A block of uniform phase over the whole turn, the padding bit included; it carries no noise."""
    # Noise 0 is what tells executors that this is a seeded ciphertext under the small key
    # (`device_executor`).
    return Block.of(Wire(0, 2 * (TURN - 1), 0, data))


def blocks_needed(bits: int) -> int:
    """Seeded blocks for a number of this many bits: one for two digits, one for an odd bit."""
    whole, odd = divmod(bits, MESSAGE_BITS)
    return -(-whole // DIGITS_PER_LOOK_UP) + odd


def random_digits(seeds: Sequence[Block], bits: int) -> Steps[list[Block]]:
    """A number that is uniform below 2^bits.

    Args:
        seeds: `blocks_needed(bits)` seeded blocks, each used once.
        bits: width of the result.
    """
    whole, odd = divmod(bits, MESSAGE_BITS)
    # Each seeded block is used once: two look-ups of one phase would give dependent digits.
    wanted = [look_up(seed, first_digit, second_digit) for seed in seeds[: blocks_needed(2 * whole)]]
    wanted += [look_up(seeds[-1], half_turn)] if odd else []
    results = yield from batch(wanted)
    pairs = results[:-1] if odd else results
    # an odd number of digits leaves one unused
    found = [digit for pair in pairs for digit in pair][:whole]
    return [*found, *(results[-1] if odd else ())]
