"""Arrays of torus elements: 64-bit words in units of 2^-64 of a turn, on which all arithmetic wraps."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = NDArray[np.uint64]  # torus elements, or integers modulo 2^64
Digits: TypeAlias = NDArray[np.int64]  # small signed integers
Word = np.uint64


def as_words(digits: Digits) -> Words:
    """Signed integers modulo 2^64."""
    return digits.view(np.uint64)


def as_signed(words: Words) -> Digits:
    """Representatives in [-2^63, 2^63)."""
    return words.view(np.int64)


def dot(words: Words, bits: Words) -> Words:
    """Inner products over the last axis, modulo 2^64; shapes (..., d) and (d,) give (...)."""
    return (words * bits).sum(-1, dtype=np.uint64)


def flat(array: NDArray[Any]) -> memoryview:
    """Elements in a row, as native code takes them."""
    return np.ascontiguousarray(array).reshape(-1).data
