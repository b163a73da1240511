"""Where keys, masks and noise come from: always an object that is passed in."""

import hashlib
import math
from typing import Protocol

import numpy as np

from streams.fhe.devices.words import Digits, Word, Words, as_signed


class Source(Protocol):
    """A source of randomness; the same source drawn from in the same order gives the same values."""

    def uniform(self, shape: tuple[int, ...]) -> Words:
        """Uniform words."""
        ...

    def noise(self, bound_log2: int, shape: tuple[int, ...]) -> Digits:
        """TUniform(b) noise in units of 2^-64."""
        ...


class SeededSource:
    """SHAKE256 of a seed and a counter. For tests and the devnet's own keys: the seed is the secret."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._drawn = 0

    def uniform(self, shape: tuple[int, ...]) -> Words:
        """Uniform words."""
        count = math.prod(shape)
        # Seed and counter side by side are unambiguous: the counter always has 8 bytes, at the end.
        stream = hashlib.shake_256(self._seed + self._drawn.to_bytes(8, "little"))
        self._drawn += 1
        # Little-endian whatever the machine is: the same seed has to give the same ciphertexts on all of
        # them.
        return np.frombuffer(stream.digest(8 * count), dtype="<u8").astype(np.uint64).reshape(shape)

    def noise(self, bound_log2: int, shape: tuple[int, ...]) -> Digits:
        """TUniform(b): of b + 2 uniform bits u, floor((u + 1) / 2) - 2^b; both ends have half the weight."""
        # b + 2 uniform bits; pairs (2j - 1, 2j) share a value, and 0 and 2^(b+2) - 1 stand alone: the half
        # weights
        drawn = self.uniform(shape) >> Word(62 - bound_log2)
        return as_signed((drawn + Word(1)) >> Word(1)) - (1 << bound_log2)


class NoiselessSource(SeededSource):
    """Uniform masks without noise, for tests that look at rounding alone."""

    def noise(self, bound_log2: int, shape: tuple[int, ...]) -> Digits:
        """Zeros."""
        # What is left after this are rounding errors only: a test can hold them against an exact bound.
        del bound_log2
        return np.zeros(shape, np.int64)


def binary_key(source: Source, dimension: int) -> Words:
    """Uniform key bits, shape (dimension,)."""
    # the top bit of a uniform word
    return source.uniform((dimension,)) >> Word(63)
