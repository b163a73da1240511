"""Numbers as torus elements: the space of a block with its padding bit.

A value v stands for v * Delta with Delta = 2^64 / 2p; p values lie below the padding bit, which has to be 0
unless the table accounts for it (`radix/table.py`).
"""

import numpy as np

from streams.fhe.devices.words import Digits, Word, Words, as_words
from streams.fhe.parameters import Parameters


def encode(parameters: Parameters, values: Digits) -> Words:
    """v * Delta; any shape, negative values too."""
    return as_words(values << parameters.delta_log2)


def encode_halves(parameters: Parameters, halves: Digits) -> Words:
    """h * Delta / 2: table entries and constants come in halves of the scale."""
    # Halves, because a table that uses the padding bit holds f - c with 2c = f(v) + f(v + p), and 2c may be
    # odd (`radix/table`).
    return as_words(halves << (parameters.delta_log2 - 1))


def decode(parameters: Parameters, phases: Words) -> Digits:
    """The nearest multiples of Delta, modulo 2p: the padding bit is the top one."""
    # Rounding: noise may be of either sign, and cutting would read a value with negative noise as the one
    # below. Not modulo p: a result above the padding bit is to be seen as wrong, not folded into range.
    half = Word(1 << (parameters.delta_log2 - 1))
    return ((phases + half) >> Word(parameters.delta_log2)).astype(np.int64)


def error(parameters: Parameters, phases: Words, values: Digits) -> Digits:
    """Noise of phases that should be v * Delta, in units of 2^-64 of a turn."""
    # Subtracted modulo 2^64, then read as signed: a phase just below a whole turn has a small negative
    # error.
    return (phases - encode(parameters, values)).view(np.int64)
