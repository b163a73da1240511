"""Gadget decomposition: a torus element as a few small signed digits.

With base B = 2^base_log and l levels a word w is rounded to its top base_log * l bits and written as
sum_i d_i * 2^64 / B^(l - i), i from 0, with -B/2 <= d_i <= B/2 (Chillotti et al. 2020, definition 3.6; signed
digits halve the noise). What is rounded away, at most 2^(63 - base_log * l), is below the noise by the choice
of the parameters.
"""

import numpy as np

from streams.fhe.devices.words import Digits, Word, Words, as_words
from streams.fhe.parameters import WORD_BITS, Gadget


def decompose(words: Words, gadget: Gadget) -> Digits:
    """Digits of words, shape (..., level), the least significant level first as in the keys.

    Ties follow TFHE-rs, so that a keyswitch gives equal words: the rounded value is centred first, where
    exactly one half goes down if it was rounded up; a digit of exactly B/2 becomes -B/2 if the rest above it,
    as a signed number, has its bit base_log - 1 set.
    """
    # (..., ) words in, (..., level) digits out
    kept = gadget.kept_bits
    cut = (words >> Word(WORD_BITS - 1 - kept)).astype(np.int64)  # one bit more than is kept: it rounds
    rest = ((cut + 1) >> 1) & ((1 << kept) - 1)
    # Centred to [-2^(kept-1), 2^(kept-1)]: digits are balanced, so the word has to be, or the highest digit
    # would carry out of the top.
    half = 1 << (kept - 1)
    rest -= ((rest > half) | ((rest == half) & (cut & 1 == 1))).astype(np.int64) << kept
    digits = np.empty((*words.shape, gadget.level), np.int64)
    for level in range(gadget.level):
        # rest = low + B * (what is left); if low is taken as low - B, one more is left
        low = rest & (gadget.base - 1)
        rest = rest >> gadget.base_log  # arithmetic: the rest keeps its sign
        # 1 if low > B/2, or low = B/2 and the rest's bit asks for it: all in bit base_log - 1
        up = (((low - 1) | rest) & low) >> (gadget.base_log - 1) & 1
        rest += up
        # Signed digits lie in [-B/2, B/2]; their square is a quarter of that of digits in [0, B), hence the
        # noise.
        digits[..., level] = low - (up << gadget.base_log)
    return digits


def recompose(digits: Digits, gadget: Gadget) -> Words:
    """sum_i d_i * 2^64 / B^(l - i), shape (...)."""
    return (as_words(digits) * weights(gadget)).sum(-1, dtype=np.uint64)


def weights(gadget: Gadget) -> Words:
    """2^64 / B^(l - i) for each level, shape (level,)."""
    # i = 0 is the least significant digit, whose unit is 2^(64 - base_log * level): the order of key rows
    exponents = [WORD_BITS - gadget.base_log * (gadget.level - i) for i in range(gadget.level)]
    return np.array([1 << exponent for exponent in exponents], dtype=np.uint64)
