"""Noise squashing across the border: pieces of keys, attached whole; arithmetic is tested in Rust."""

import cipherstream_kernel as kernel
import numpy as np
import pytest

from streams.fhe.devices.words import flat
from tests.unit.fhe.kernel.client import Words
from tests.unit.fhe.kernel.conftest import Keys

INPUTS, COLUMNS = 4096, 16  # of a packing key with one mask polynomial of 8 coefficients
CHUNK = 1024
STEP_WORDS = 27 * 2048


def packing_key(standard: Words) -> kernel.WidePackingKey:
    """From u128 words (input, column, half)."""
    chunks = (
        kernel.WidePackingKey.transform(flat(part), 1, 8) for part in np.split(standard, INPUTS // CHUNK)
    )
    return kernel.WidePackingKey.attach(kernel.WidePackingKey.header(1, 8) + b"".join(chunks))


def test_a_ciphertext_without_a_mask_is_packed_as_it_is() -> None:
    key = packing_key(np.ones((INPUTS, COLUMNS, 2), np.uint64))
    lwes = np.zeros((2, INPUTS + 1, 2), np.uint64)
    lwes[:, -1] = [[5, 6], [7, 8]]
    packed = np.frombuffer(key.pack(flat(lwes)), np.uint64).reshape(COLUMNS, 2)
    assert packed[8:10].tolist() == [[5, 6], [7, 8]]
    assert not packed[:8].any()
    assert not packed[10:].any()


def test_a_digit_takes_the_key_s_row_away() -> None:
    standard = np.zeros((INPUTS, COLUMNS, 2), np.uint64)
    standard[3] = [[9, 1]] * COLUMNS
    lwes = np.zeros((1, INPUTS + 1, 2), np.uint64)
    lwes[0, 3, 1] = 1 << 3  # 2^67, one unit of the digit
    packed = np.frombuffer(packing_key(standard).pack(flat(lwes)), np.uint64).reshape(COLUMNS, 2)
    assert packed.tolist() == [[2**64 - 9, 2**64 - 2]] * COLUMNS


def test_a_key_of_zeros_leaves_the_table_s_entry(keys: Keys, lwes: Words) -> None:
    dimension = keys.keyswitch.dimension
    step = kernel.SquashingKey.transform(flat(np.zeros((STEP_WORDS, 2), np.uint64)))
    key = kernel.SquashingKey.attach(kernel.SquashingKey.header(dimension) + step * dimension)
    assert key.dimension == dimension
    words = np.frombuffer(key.squash(flat(lwes[:1]), keys.keyswitch), np.uint64).reshape(4097, 2)
    assert not words[:-1].any()
    assert not words[-1, 0]
    assert words[-1, 1] % (1 << 59) == 0  # a multiple of 2^123


@pytest.mark.parametrize("words", [1, 2 * STEP_WORDS - 2])
def test_a_part_of_a_step_is_refused(words: int) -> None:
    with pytest.raises(ValueError, match=r"pairs of u64|elements"):
        kernel.SquashingKey.transform(flat(np.zeros(words, np.uint64)))


def test_a_cut_key_is_refused() -> None:
    with pytest.raises(ValueError, match="cut or has a tail"):
        kernel.SquashingKey.attach(kernel.SquashingKey.header(3) + bytes(64))
    with pytest.raises(ValueError, match="not a prepared key of this kind"):
        kernel.WidePackingKey.attach(kernel.SquashingKey.header(3))
