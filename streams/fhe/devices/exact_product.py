"""Products of small digits with a matrix of words, modulo 2^64, as two products of doubles that are exact.

Doubles and not integers: NumPy multiplies only floating-point matrices by BLAS.
"""

import numpy as np

from streams.fhe.devices.words import Digits, Word, Words, as_words

HALF_WORD = 32
_EXACT = 2.0**53  # below it every sum of doubles that are integers is exact


class Halves:
    """The upper and lower halves of a matrix of words (rows, columns), each as doubles."""

    def __init__(self, rows: Words) -> None:
        self._low = (rows & Word((1 << HALF_WORD) - 1)).astype(np.float64)
        self._high = (rows >> Word(HALF_WORD)).astype(np.float64)

    def product(self, digits: Digits) -> Words:
        """digits (batch, rows) @ the matrix: (batch, columns), for digits that `is_exact` takes."""
        factors = digits.astype(np.float64)
        # word = high * 2^32 + low, so digits @ word = (digits @ high) * 2^32 + digits @ low modulo 2^64
        low, high = factors @ self._low, factors @ self._high
        return as_words(low.astype(np.int64)) + (as_words(high.astype(np.int64)) << Word(HALF_WORD))


def is_exact(rows: int, digit_max: int) -> bool:
    """Whether sums over so many rows stay exact: 8192 rows and digits up to 8 stay below 2^48."""
    return rows * float(digit_max) * 2.0**HALF_WORD < _EXACT


def product(digits: Digits, rows: Words) -> Words:
    """digits @ rows modulo 2^64."""
    # Beyond the bound, with other parameters, the slow exact product is taken rather than a wrong one.
    if not is_exact(len(rows), int(abs(digits).max(initial=0))):
        return as_words(digits) @ rows
    return Halves(rows).product(digits)
