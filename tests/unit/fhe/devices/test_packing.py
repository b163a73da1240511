"""Storing blocks, with keys made here: rounding, extraction and the table that reads a digit back."""

import numpy as np
import pytest

from streams.fhe.devices import glwe, packing
from streams.fhe.devices.encoding import decode
from streams.fhe.devices.polynomial import rotate
from streams.fhe.devices.randomness import SeededSource, binary_key
from streams.fhe.devices.words import Word, Words
from streams.fhe.parameters import COMPRESSION, PINNED

SOURCE = SeededSource(b"packing")
KEY = binary_key(SOURCE, COMPRESSION.dimension).reshape(COMPRESSION.glwe_dimension, -1)
TURN = 1 << COMPRESSION.storage_log2
DIGIT_WIDTH = TURN // 2 // packing.DIGITS  # of a stored digit, below the padding bit
NOISE_LOG2 = 42  # more than the packing key's


def packed(digits: list[int]) -> Words:
    """A GLWE ciphertext of stored digits."""
    message = np.zeros(COMPRESSION.polynomial_size, np.uint64)
    message[: len(digits)] = np.array(digits, np.uint64) << Word(61)
    return glwe.encrypt(SOURCE, KEY, message, NOISE_LOG2)


@pytest.mark.parametrize("digits", [[3], [0, 1, 2, 3], list(range(4)) * 64], ids=len)
def test_each_block_comes_back_from_its_coefficient(digits: list[int]) -> None:
    stored = packing.rounded(packed(digits), len(digits))
    assert len(stored) == COMPRESSION.dimension + len(digits)
    rows = packing.exponents(stored).astype(np.int64)
    assert rows.shape == (len(digits), COMPRESSION.dimension + 1)
    phases = (rows[:, -1] - rows[:, :-1] @ KEY.reshape(-1).astype(np.int64)) % TURN
    # half a digit's width is 256, rounding a thousand words adds about ten
    errors = (phases - np.array(digits) * DIGIT_WIDTH + TURN // 2) % TURN - TURN // 2
    assert abs(errors).max() < DIGIT_WIDTH // 4


def test_rounding_goes_to_the_nearest_and_wraps() -> None:
    words = np.zeros((COMPRESSION.glwe_dimension + 1, COMPRESSION.polynomial_size), np.uint64)
    step = 1 << (64 - COMPRESSION.storage_log2)
    words[0, :4] = [step // 2 - 1, step // 2, step, (1 << 64) - 1]
    assert packing.rounded(words, 1)[:4].tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("digit", range(packing.DIGITS))
@pytest.mark.parametrize("error", [-DIGIT_WIDTH // 2, 0, DIGIT_WIDTH // 2 - 1])
def test_the_table_reads_a_digit_whatever_the_noise(digit: int, error: int) -> None:
    polynomial = packing.digit_polynomial(PINNED)[None]
    turned = rotate(polynomial, np.array([-(digit * DIGIT_WIDTH + error)]))
    assert decode(PINNED, turned[0, 0, :1]).tolist() == [digit]


def test_blocks_are_stored_at_the_scale_that_the_table_reads() -> None:
    block = np.array([[0, 3 << PINNED.delta_log2]], np.uint64)
    assert packing.scaled(block)[0, 1] == 3 << 61
