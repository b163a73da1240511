"""The modulus switch from 2^64 to 2N, mean-centred: exponents for the blind rotation."""

import numpy as np

from streams.fhe.devices.words import Digits, Word, Words, as_signed, as_words
from streams.fhe.parameters import WORD_BITS, Parameters


def modulus_switch(parameters: Parameters, ciphertexts: Words) -> Digits:
    """Ciphertexts (batch, n + 1) become exponents in [0, 2N), same shape.

    A mask word a is rounded to r, and the error a - r enters the phase times its key bit. A key bit is 1/2 on
    average: half the sum of all errors is known and is taken off the body (TFHE-rs: mean-centred noise
    reduction), which leaves a quarter of the variance instead of a half. The mask is rounded, the body is
    cut: tables are boxes [-N/2p, N/2p), and cutting a phase to a whole step never leaves its box.
    """
    # 64 - 12 = 52 for N = 2048: one step is 2^52
    shift = Word(WORD_BITS - parameters.rotation_log2)
    half = Word(1) << (shift - Word(1))
    masks, bodies = ciphertexts[:, :-1], ciphertexts[:, -1]
    # The addition wraps where a word rounds up to a whole turn: 0 is the same turn.
    rounded = (masks + half) >> shift
    # sum of a - r over the mask, in units of 2^-64; one such error is at most half a step
    errors = as_signed(masks - (rounded << shift)).sum(-1)
    # The shift floors half a unit of 2^-64 away, which is nothing beside a step of 2^52.
    centred = (bodies - as_words(errors >> 1)) >> shift
    # A mask word that rounds up to a whole turn is 0.
    turn = Word(2 * parameters.polynomial_size)
    return np.concatenate([rounded % turn, centred[:, None]], axis=-1).astype(np.int64)
