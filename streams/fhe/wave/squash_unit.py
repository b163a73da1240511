"""Stored numbers to squashed ones on one device, and the number with known answers that it is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Self

import numpy as np

from streams.fhe.devices.cpu_squashing import paired
from streams.fhe.devices.packing import Rounded
from streams.fhe.devices.port import BlockStorage, Squashing
from streams.fhe.devices.randomness import SeededSource
from streams.fhe.devices.words import Words
from streams.fhe.parameters import PINNED
from streams.fhe.wave.exam import any_ciphertexts

# Blocks of the question: 16 ciphertexts to squash, the last one of a block alone. So many are 128 blocks of
# threads in each product, one for nearly every multiprocessor of a large GPU, with no more launches than one.
BLOCKS: Final = 31


@dataclass(frozen=True, slots=True)
class Unsquashed:
    """A stored number, and in what form it is wanted."""

    glwes: Sequence[Rounded]
    packed: bool = True


@dataclass(frozen=True, slots=True)
class SquashUnit:
    """A device that squashes, with its storage, under a name for people."""

    name: str
    storage: BlockStorage
    squashing: Squashing

    @property
    def reading(self) -> tuple[int, int]:
        """It is asked nothing."""
        return 0, 0

    def squashed(self, numbers: Sequence[Unsquashed]) -> list[tuple[Words, ...]]:
        """Of each number its packed ciphertexts (words, 2), or else its squashed ones (4097, 2).

        A number's words are the same in any company.
        """
        rows = self.squash([number.glwes for number in numbers])
        return [
            self.squashing.pack(own) if number.packed else tuple(own)
            for number, own in zip(numbers, rows, strict=True)
        ]

    def squash(self, numbers: Sequence[Sequence[Rounded]]) -> list[Words]:
        """Of each stored number its squashed ciphertexts (count, 4097, 2), two blocks in each."""
        found = iter(self.storage.decompress([glwe for glwes in numbers for glwe in glwes]))
        # The last block of a number is never put into one ciphertext with the first of the next.
        pairs = [paired(np.concatenate([next(found) for _ in glwes])) for glwes in numbers]
        squashed = self.squashing.squash(np.concatenate(pairs))
        return np.split(squashed, list(accumulate(map(len, pairs)))[:-1])


@dataclass(frozen=True, slots=True)
class SquashExam:
    """A stored number that nobody encrypted, and what a unit that is believed makes of it."""

    stored: tuple[Rounded, ...]
    squashed: Words
    packed: tuple[Words, ...]

    @classmethod
    def set_by(cls, unit: SquashUnit) -> Self:
        """The answers are this unit's."""
        # Any words do: the kernels look at no value, and whoever computes rightly gives equal words for them.
        blocks = any_ciphertexts(SeededSource(b"known answer"), PINNED, BLOCKS)
        stored = unit.storage.compress(blocks)
        (squashed,) = unit.squash([stored])
        return cls(stored, squashed, unit.squashing.pack(squashed))

    def is_passed(self, unit: SquashUnit) -> bool:
        """Whether a unit gives these words, squashed and packed; raises what it raises."""
        (squashed,) = unit.squash([self.stored])
        if not np.array_equal(squashed, self.squashed):
            return False
        packed = unit.squashing.pack(squashed)
        return len(packed) == len(self.packed) and all(map(np.array_equal, packed, self.packed))
