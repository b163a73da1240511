"""Arrays of torus elements: 64-bit words in units of 2^-64 of a turn, on which all arithmetic wraps."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = NDArray[np.uint64]  # torus elements, or integers modulo 2^64
Digits: TypeAlias = NDArray[np.int64]  # small signed integers
Word = np.uint64


# Views, not copies: two's complement is arithmetic modulo 2^64, so a signed array and its words are the
# same bytes. NumPy warns of no overflow in arrays, which is what all of this rests on.
def as_words(digits: Digits) -> Words:
    """Signed integers modulo 2^64."""
    return digits.view(np.uint64)


def as_signed(words: Words) -> Digits:
    """Representatives in [-2^63, 2^63)."""
    return words.view(np.int64)


def dot(words: Words, bits: Words) -> Words:
    """Inner products over the last axis, modulo 2^64; shapes (..., d) and (d,) give (...)."""
    # Exact for any words: products and sums wrap modulo 2^64, as the torus does.
    return (words * bits).sum(-1, dtype=np.uint64)


def flat(array: NDArray[Any]) -> memoryview:
    """Elements in a row, as native code takes them."""
    # Native code takes a buffer in a row only, of one axis; copied only where the array is not laid out so.
    return np.ascontiguousarray(array).reshape(-1).data
