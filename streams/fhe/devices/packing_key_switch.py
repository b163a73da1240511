"""The packing keyswitch: many LWE ciphertexts into the coefficients of one GLWE ciphertext.

The first half of compression (`packing`), by its definition: a keyswitch whose rows encrypt under a GLWE
key, so that each ciphertext becomes the constant coefficient of a polynomial, which X^j moves to coefficient
j (the public functional keyswitch of Chillotti et al. 2020, section 4.1). Exact: the words are those of every
other implementation.
"""

import numpy as np

from streams.fhe.devices.decomposition import decompose
from streams.fhe.devices.exact_product import Halves, is_exact
from streams.fhe.devices.polynomial import rotate
from streams.fhe.devices.words import Word, Words
from streams.fhe.parameters import WORD_BITS, Gadget


class PackingKey:
    """Rows (inputs, level, k + 1, N), the least significant level first, ready to be multiplied."""

    def __init__(self, rows: Words, gadget: Gadget) -> None:
        inputs, _, polynomials, size = rows.shape
        # 2048 bits of 3 digits up to 8: sums below 2^48
        assert is_exact(inputs * gadget.level, gadget.base // 2)
        self._shape = polynomials, size
        self._gadget = gadget
        self._halves = Halves(rows.reshape(inputs * gadget.level, polynomials * size))

    def pack(self, ciphertexts: Words) -> Words:
        """LWE ciphertexts (count, inputs + 1), at most N of them, become one GLWE ciphertext (k + 1, N)."""
        count, (polynomials, size) = len(ciphertexts), self._shape
        # A word exactly between the largest positive and the largest negative value stays positive here,
        # other than in a keyswitch between LWE keys: it is rounded before it is decomposed (TFHE-rs).
        digits = decompose(_rounded(ciphertexts[:, :-1], self._gadget), self._gadget)
        switched = -self._halves.product(digits.reshape(count, -1))
        # a body is the constant coefficient of the last polynomial
        switched[:, (polynomials - 1) * size] += ciphertexts[:, -1]
        glwes = switched.reshape(count, polynomials, size)
        # sum over j of X^j times ciphertext j
        return rotate(glwes, np.arange(count)).sum(0, dtype=np.uint64)


def _rounded(words: Words, gadget: Gadget) -> Words:
    """The nearest words that digits represent, half rounded up."""
    dropped = Word(WORD_BITS - gadget.kept_bits)
    half = Word(1) << (dropped - Word(1))
    return (words + half) >> dropped << dropped
