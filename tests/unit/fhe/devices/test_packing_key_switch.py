"""The packing keyswitch of NumPy gives the words of the kernel's."""

from collections.abc import Callable

import cipherstream_kernel as kernel
import numpy as np
import pytest

from streams.fhe.devices.exact_product import Halves, is_exact, product
from streams.fhe.devices.packing_key_switch import PackingKey
from streams.fhe.devices.randomness import SeededSource
from streams.fhe.devices.words import Word, Words, as_words, flat
from streams.fhe.parameters import COMPRESSION, PINNED

BIG = PINNED.big_dimension
DIMENSION, SIZE = 2, 16
SOURCE = SeededSource(b"packing")
ROWS = SOURCE.uniform((BIG, COMPRESSION.packing.level, DIMENSION + 1, SIZE))


def uniform(count: int) -> Words:
    return SOURCE.uniform((count, BIG + 1))


def near_half(count: int) -> Words:
    """Words around one half, where the highest digit changes its sign, and where rounding leads there."""
    return (uniform(count) >> Word(14)) + Word(0x7FFE << 48)


@pytest.mark.parametrize("count", [1, 5, SIZE])
@pytest.mark.parametrize("words", [uniform, near_half])
def test_words_are_those_of_the_kernel(count: int, words: Callable[[int], Words]) -> None:
    ciphertexts = words(count)
    key = kernel.PackingKey.prepare(flat(ROWS), DIMENSION, SIZE, COMPRESSION.packing.level)
    expected = np.frombuffer(key.pack(flat(ciphertexts)), np.uint64)
    found = PackingKey(ROWS, COMPRESSION.packing).pack(ciphertexts)
    assert found.shape == (DIMENSION + 1, SIZE)
    assert np.array_equal(found.reshape(-1), expected)


def test_a_product_of_halves_is_the_product_of_words() -> None:
    digits, rows = SOURCE.noise(3, (5, 40)), SOURCE.uniform((40, 7))
    expected = as_words(digits) @ rows
    assert np.array_equal(Halves(rows).product(digits), expected)
    assert np.array_equal(product(digits, rows), expected)


def test_a_product_that_doubles_would_round_is_computed_with_words() -> None:
    digits, rows = SOURCE.noise(40, (3, 20)), SOURCE.uniform((20, 4))
    assert not is_exact(20, 1 << 40)
    assert np.array_equal(product(digits, rows), as_words(digits) @ rows)
