"""Randomness that repeats."""

import hashlib
import itertools


class SeededEntropy:
    """The same bytes in the same order for the same seed."""

    def __init__(self, seed: bytes | str = b"") -> None:
        self._seed = seed.encode() if isinstance(seed, str) else seed
        self._calls = itertools.count()

    def bytes(self, size: int) -> bytes:
        """That many bytes, other ones at every call."""
        call = next(self._calls).to_bytes(8, "big")
        return hashlib.shake_256(call + self._seed).digest(size)
