"""Numbers that a device squashes in a second, every word held against the device `cpu`."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.fhe.devices.port import Squashing
from streams.fhe.devices.randomness import SeededSource
from streams.fhe.devices.words import Words
from streams.fhe.parameters import PINNED

SEED: Final = b"bench squashes"
REPEATS: Final = 3  # the least of them counts: a busy neighbour only adds
BLOCKS: Final = 16  # of 64 bits: two blocks of two bits are squashed as one


@dataclass(frozen=True, slots=True)
class SquashSpeed:
    """Of so many numbers of 64 bits in one batch."""

    numbers: int
    squash_s: float
    pack_s: float  # each number packed by itself, as it is stored
    differing_words: int  # from the device `cpu`: none on a device that works

    @property
    def per_second(self) -> float:
        """Numbers squashed and packed."""
        return self.numbers / (self.squash_s + self.pack_s)


def speeds(
    device: Squashing, cpu: Squashing, counts: Iterable[int], clock: Callable[[], float]
) -> Iterator[SquashSpeed]:
    """One after the other; the first run of each, which uploads keys and compiles, is not timed."""
    for count in counts:
        given = SeededSource(SEED).uniform((count * BLOCKS, PINNED.big_dimension + 1))
        squashed = device.squash(given)
        expected = cpu.squash(given)
        pairs = zip([squashed, *_packed(device, squashed)], [expected, *_packed(cpu, expected)], strict=True)
        differing = sum(int((found != due).sum()) for found, due in pairs)
        times = [_seconds(device, given, clock) for _ in range(REPEATS)]
        squash_s, pack_s = map(min, zip(*times, strict=True))
        yield SquashSpeed(count, squash_s, pack_s, differing)


def _packed(device: Squashing, squashed: Words) -> list[Words]:
    numbers = np.split(squashed, len(squashed) // BLOCKS)
    return [words for number in numbers for words in device.pack(number)]


def _seconds(device: Squashing, given: Words, clock: Callable[[], float]) -> tuple[float, float]:
    started = clock()
    squashed = device.squash(given)
    between = clock()
    _packed(device, squashed)
    return between - started, clock() - between
