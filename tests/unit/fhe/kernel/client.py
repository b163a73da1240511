"""A client in NumPy for the kernel's tests: the parameters of the set, but a small key of few bits.

Keys and noise come from a seeded generator: nothing here is secret.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

BIG = 2048
LEVELS = 4
MESSAGE_SHIFT = np.uint64(59)
BIG_NOISE_BITS = 17
SMALL_NOISE_BITS = 45


def words(random: np.random.Generator, *shape: int) -> Words:
    """Uniform torus words."""
    return random.integers(0, 2**64, shape, np.uint64)


def noise(random: np.random.Generator, bits: int, *shape: int) -> Words:
    """Uniform in [-2^bits, 2^bits]."""
    return random.integers(-(2**bits), 2**bits + 1, shape).astype(np.uint64)


def times_key(mask: Words, key: Words) -> Words:
    """The negacyclic product of a polynomial with a binary one, both (2048,)."""
    product = np.zeros_like(mask)
    for shift in np.flatnonzero(key):
        product[shift:] += mask[: len(mask) - shift]
        product[:shift] -= mask[len(mask) - shift :]
    return product


@dataclass(frozen=True)
class Client:
    """Binary keys: `small` (n,) and `big` (2048,)."""

    random: np.random.Generator
    small: Words
    big: Words

    def bootstrap_key(self) -> Words:
        """(n, row, column, 2048); row 0 hides -bit s 2^41, row 1 hides bit 2^41."""
        key = words(self.random, len(self.small), 2, 2, BIG)
        for bit, ggsw in zip(self.small, key, strict=True):
            for row in ggsw:
                row[1] = times_key(row[0], self.big) + noise(self.random, BIG_NOISE_BITS, BIG)
            ggsw[0, 1] -= (bit * self.big) << np.uint64(41)
            ggsw[1, 1, 0] += bit << np.uint64(41)
        return key

    def keyswitch_key(self) -> Words:
        """(2048, level, n + 1), least significant level first."""
        units = np.uint64(64) - np.uint64(4) * np.arange(LEVELS, 0, -1, np.uint64)
        return encrypt(self.random, self.small, self.big[:, None] << units, SMALL_NOISE_BITS)

    def encrypt(self, messages: Words) -> Words:
        """(batch, 2049) under the big key."""
        return encrypt(self.random, self.big, messages << MESSAGE_SHIFT, BIG_NOISE_BITS)

    def decrypt(self, lwes: Words) -> Words:
        """Messages with four bits and a padding bit, of (batch, 2049)."""
        return (phase(self.big, lwes) + np.uint64(1 << 58)) >> MESSAGE_SHIFT


def new_client(seed: int, dimension: int) -> Client:
    """Keys of a seed."""
    random = np.random.default_rng(seed)
    bits = [random.integers(0, 2, size, np.uint64) for size in (dimension, BIG)]
    return Client(random, *bits)


def encrypt(random: np.random.Generator, key: Words, plain: Words, noise_bits: int) -> Words:
    """LWE ciphertexts (..., len(key) + 1) of torus words (...)."""
    mask = words(random, *plain.shape, len(key))
    body = plain + noise(random, noise_bits, *plain.shape) + mask @ key
    return np.concatenate([mask, body[..., None]], axis=-1)


def phase(key: Words, lwes: Words) -> Words:
    """Body minus mask times key, (...)."""
    return lwes[..., -1] - lwes[..., :-1] @ key


def table(values: list[int]) -> Words:
    """The test polynomial of sixteen values, rotated by half a box: (2048,)."""
    place = np.arange(BIG) + 64
    entries = np.array(values, np.uint64)[place // 128 % 16] << MESSAGE_SHIFT
    return np.where(place < BIG, entries, -entries)
