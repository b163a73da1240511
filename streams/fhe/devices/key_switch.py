"""Key switching: from the big LWE key to the small one.

The key-switching key holds, for each bit s_i of the big key and each level, an encryption of s_i * 2^64 / B^j
under the small key. With digits d of the mask, (0, b) - sum d_ij * row_ij encrypts the same message
(Chillotti et al. 2020, section 4.1).
"""

from dataclasses import dataclass

import numpy as np

from streams.fhe.devices import lwe
from streams.fhe.devices.decomposition import decompose, weights
from streams.fhe.devices.randomness import Source
from streams.fhe.devices.words import Digits, Word, Words, as_words
from streams.fhe.parameters import Parameters

HALF_WORD = 32


@dataclass(frozen=True)
class KeySwitchKey:
    """Rows of shape (k N, level, n + 1), the least significant level first (the order of TFHE-rs's files)."""

    parameters: Parameters
    rows: Words


def generate(source: Source, parameters: Parameters, big: Words, small: Words) -> KeySwitchKey:
    """The key from a big key (k N,) to a small one (n,)."""
    # Row (i, j) encrypts s_i * 2^64 / B^(l - j), j from 0: the digit of that weight times this row is s_i's
    # part.
    messages = big[:, None] * weights(parameters.ks)  # (k N, level)
    return KeySwitchKey(parameters, lwe.encrypt(source, small, messages, parameters.lwe_noise_log2))


def key_switch(key: KeySwitchKey, ciphertexts: Words) -> Words:
    """Ciphertexts (batch, k N + 1) under the big key become (batch, n + 1) under the small one."""
    digits = decompose(ciphertexts[:, :-1], key.parameters.ks)  # (batch, k N, level)
    rows = key.rows.reshape(-1, key.rows.shape[-1])  # (k N level, n + 1), in the order of the digits
    # sum_ij d_ij * row_ij encrypts sum_i a_i s_i up to what the digits leave out; (0, b) minus that is b -
    # <a, s>
    switched = -_exact_product(digits.reshape(len(ciphertexts), -1), rows)
    switched[:, -1] += ciphertexts[:, -1]  # the trivial ciphertext (0, b) that is subtracted from
    return switched


def _exact_product(digits: Digits, rows: Words) -> Words:
    """digits @ rows modulo 2^64, as two products of doubles that are exact.

    A half word is below 2^32, a digit at most B/2: with 8192 rows of base 16 sums stay below 2^48 < 2^53.
    """
    # Doubles and not integers: NumPy multiplies only floating-point matrices by BLAS. Beyond the bound,
    # with other parameters, the slow exact product is taken rather than a wrong one.
    bound = rows.shape[0] * float(abs(digits).max(initial=0)) * 2.0**HALF_WORD
    if bound >= 2.0**53:
        return as_words(digits) @ rows
    factors = digits.astype(np.float64)
    # word = high * 2^32 + low, so digits @ word = (digits @ high) * 2^32 + digits @ low modulo 2^64
    low = factors @ (rows & Word((1 << HALF_WORD) - 1)).astype(np.float64)
    high = factors @ (rows >> Word(HALF_WORD)).astype(np.float64)
    return as_words(low.astype(np.int64)) + (as_words(high.astype(np.int64)) << Word(HALF_WORD))
