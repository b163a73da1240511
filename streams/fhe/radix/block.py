"""Blocks: what radix algorithms compute with, two bits of a number in a space of sixteen values.

A *wire* is one LWE ciphertext on a device. A *block* is an integer combination of wires plus a constant: it
costs nothing, and it knows the range of its value and its noise. Only a look-up (`steps.py`) costs a
bootstrap.
"""

from collections.abc import Iterable
from hashlib import blake2b
from itertools import count
from typing import Any, Final, Self

import msgspec

from streams.domain.errors import OperationError

MESSAGE_BITS: Final = 2
BASE: Final = 1 << MESSAGE_BITS  # a number is the sum of block_i * BASE^i
DIGIT_MAX: Final = BASE - 1
NAME_BYTES: Final = 16  # of a wire: two of 2^64 wires have the same one by chance


class RangeClaimWrong(OperationError):
    """A block's value lies outside the range that its algorithm claims."""


_strangers = count()


def name_of(one: bytes, other: bytes) -> bytes:
    """The name of what is made from these, of which one has a fixed length."""
    return blake2b(one + other, digest_size=NAME_BYTES).digest()


def _stranger() -> bytes:
    return next(_strangers).to_bytes(NAME_BYTES, "big")


# A device that computes a look-up in 20 us leaves no more than that to Python: hence structs, which are made
# in a fraction of a dataclass's time. Blocks are part of no cycle and cost the garbage collector nothing.
#
# Equality is that of names. Two wires of the same range are different ciphertexts with independent noises,
# and `total` must never add them as one; those of equal look-ups are the same words, and it has to.
class Wire(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """One LWE ciphertext under the big key; two wires are equal only if their words are."""

    low: int  # least value, in halves of the scale Delta
    high: int  # largest value, in halves
    # variance in units of a bootstrap's result (`noise.bootstrap_variance`); a loaded block has more
    noise: float = 1
    data: Any = None  # what the executor keeps for it
    # Of a look-up's result: what it was computed from. Everything else is unlike all that there is.
    name: bytes = msgspec.field(default_factory=_stranger)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Wire) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        # without the words, of which a number has tens of thousands; the end of a name tells wires apart
        return f"Wire({self.low}..{self.high}, noise {self.noise:g}, …{self.name[-4:].hex()})"


class Block(msgspec.Struct, frozen=True, gc=False):
    """sum(coefficient * wire) + halves / 2, an integer between low and high."""

    terms: tuple[tuple[Wire, int], ...]
    halves: int
    low: int
    high: int

    @classmethod
    def constant(cls, value: int) -> Self:
        """A block that everybody knows: no ciphertext, no noise."""
        # In halves of Delta, as table entries are: a table that uses the padding bit leaves half-integers
        # in its wires, and the constant that makes them whole is kept beside them.
        return cls((), 2 * value, value, value)

    @classmethod
    def of(cls, wire: Wire) -> Self:
        """The block that is just this wire; its values must be whole."""
        return cls(((wire, 1),), 0, wire.low // 2, wire.high // 2)

    @property
    def is_constant(self) -> bool:
        """Whether the value is known without a key."""
        return not self.terms

    @property
    def name(self) -> bytes:
        """Equal for blocks of the same words, in whatever order their wires were added."""
        # Names are of one length, each with its factor behind it: they can be read in one way only.
        terms = sorted([b"%b%d" % (wire.name, factor) for wire, factor in self.terms])
        return name_of(b"%16d" % self.halves, b",".join(terms))

    @property
    def noise(self) -> float:
        """Sum of squares: independent noises add by variance, equal wires were added first."""
        return sum([factor * factor * wire.noise for wire, factor in self.terms])

    def __add__(self, other: "Block | int") -> "Block":
        # A constant is added to the body by whoever makes the ciphertext: no noise, no wire.
        if isinstance(other, int):
            return Block(self.terms, self.halves + 2 * other, self.low + other, self.high + other)
        if not {wire.name for wire, _ in self.terms}.isdisjoint([wire.name for wire, _ in other.terms]):
            return total((self, other))
        # The rule, in a third of the time.
        terms, halves = self.terms + other.terms, self.halves + other.halves
        return Block(terms, halves, self.low + other.low, self.high + other.high)

    def __neg__(self) -> "Block":
        return self * -1

    def __sub__(self, other: "Block | int") -> "Block":
        # the noise of a difference is that of a sum: squares of coefficients
        return self + -other

    def __mul__(self, factor: int) -> "Block":
        if factor == 0:
            return Block.constant(0)
        # A negative factor turns the range round.
        ends = (self.low * factor, self.high * factor)
        terms = tuple([(wire, own * factor) for wire, own in self.terms])
        return Block(terms, self.halves * factor, min(ends), max(ends))

    def within(self, low: int, high: int) -> "Block":
        """The same block, known to lie in a narrower range than its parts tell: the caller proves it.

        Raises:
            RangeClaimWrong: the claim contradicts what the parts tell.
        """
        # What is known from outside, such as that y + (x - y) is a digit, cannot be seen in ranges of
        # parts.
        low, high = max(low, self.low), min(high, self.high)
        if low > high:
            raise RangeClaimWrong(f"no value of [{self.low}, {self.high}] lies in the claimed range")
        return Block(self.terms, self.halves, low, high)


def total(blocks: Iterable[Block]) -> Block:
    """The sum of blocks; a wire that occurs twice counts with the sum of its coefficients."""
    # By wire and not by block: x - x must cancel, and x + x has noise 4, not 2. Bytes know their hash.
    factors, wires = dict[bytes, int](), dict[bytes, Wire]()
    halves = low = high = 0
    for block in blocks:
        for wire, factor in block.terms:
            name = wire.name
            factors[name] = factors.get(name, 0) + factor
            wires.setdefault(name, wire)
        halves, low, high = halves + block.halves, low + block.low, high + block.high
    terms = tuple([(wires[name], factor) for name, factor in factors.items() if factor])
    if not terms:
        low = high = halves // 2  # all wires cancelled: the value is known, whatever their ranges say
    return Block(terms, halves, low, high)


def digits(value: int, count: int) -> list[int]:
    """The low `count` digits of a number in base 4."""
    return [(value >> (MESSAGE_BITS * i)) & DIGIT_MAX for i in range(count)]


def constants(value: int, count: int) -> list[Block]:
    """A clear number as blocks."""
    return [Block.constant(digit) for digit in digits(value, count)]
