"""Keys and factors as the GPU's threads read them."""

import math
from collections.abc import Callable

import cipherstream_kernel as kernel
import numpy as np
import pytest

from streams.domain.errors import KeyMaterialError
from streams.fhe.devices.cuda import factors, layout, program
from streams.fhe.devices.words import flat
from tests.unit.fhe.cuda.raw import BIG, raw_keys, words
from tests.unit.fhe.cuda.wide import wide_keys

WORDS = 6  # of an output of the small keys here


def test_factors_are_nearest_doubles_on_the_unit_circle() -> None:
    rows = factors.row_factors()
    assert rows.shape == (5, 3)
    # X^(N/2) - i: a quarter turn by four, once, twice, three times
    expected = [complex(math.cos(m * math.pi / 8), math.sin(m * math.pi / 8)) for m in (1, 2, 3)]
    assert np.abs(rows[0] - expected).max() <= 2**-53
    everything = np.concatenate([rows.reshape(-1), layout.factor_table()])
    assert np.abs(np.abs(everything) - 1).max() <= 2**-52


def test_the_factors_that_are_not_stored_are_i_times_those_that_are() -> None:
    """Bit for bit, or `pair_factor` would change results."""
    quarters = [factors.row_quarter(row) for row in range(factors.ROWS)]
    for quarter in quarters:
        stored = [factors.cos_sin(quarter // 2 + 512 * child) for child in (0, 1)]
        others = [factors.cos_sin(quarter // 2 + 512 * child) for child in (2, 3)]
        assert others == [complex(-each.imag, each.real) for each in stored]


def test_a_rotation_key_is_in_the_order_of_threads() -> None:
    """Thread 8 r + l reads row r, lane l; its eight points, columns and key rows come one after another."""
    prepared = raw_keys(5).rotate.prepared
    given = np.frombuffer(prepared[64:], np.float64).reshape(5, 16, 2, 8, 2, 2, 8)
    found = layout.rotation_key(prepared).reshape(5, 8, 2, 2, 128, 2)
    for step, e, column, key_row, row, lane in ((0, 0, 0, 0, 0, 0), (4, 7, 1, 0, 15, 3), (2, 5, 0, 1, 9, 6)):
        point = found[step, e, column, key_row, 8 * row + lane]
        assert (point == given[step, row, column, e, key_row, :, lane]).all()


def test_a_keyswitch_key_is_in_the_order_of_fragments() -> None:
    standard = words(BIG, 4, WORDS)
    prepared = memoryview(kernel.KeyswitchKey.prepare(flat(standard), WORDS - 1).to_bytes())
    found = layout.keyswitch_key(prepared).reshape(1, 256, 4, 32, 2, 2, 4)
    for tile, pair, word, quad, half, parity, level in ((0, 0, 0, 0, 0, 0, 0), (255, 3, 5, 2, 1, 1, 3)):
        byte = int(found[0, tile, pair, 4 * word + quad, half, parity, level])
        key_word = int(standard[8 * tile + 4 * half + quad, level, word])
        assert byte == key_word >> (8 * (2 * pair + parity)) & 255
    # a lane of a word that the key does not have
    assert not found[0, :, :, 4 * WORDS :].any()


def test_sizes_are_read_from_the_header() -> None:
    keys = raw_keys(5)
    assert (keys.switch.words, keys.rotate.dimension) == (6, 5)
    assert (keys.switch.body, keys.switch.levels) == (5, 4)


def test_a_key_of_another_kind_is_refused() -> None:
    keys = raw_keys(5)
    with pytest.raises(KeyMaterialError, match="another kind"):
        layout.rotation_key(keys.switch.prepared)
    with pytest.raises(KeyMaterialError, match="another kind"):
        layout.keyswitch_key(memoryview(b"short"))


@pytest.mark.parametrize(
    "change", [lambda key: key[:-1], lambda key: key + b"\0"], ids=["cut", "with a tail"]
)
def test_a_key_of_another_length_is_refused(change: Callable[[bytes], bytes]) -> None:
    pair = wide_keys(2)
    for key, read in ((pair.squash, layout.squashing_key), (pair.pack, layout.wide_packing_key)):
        read(key.prepared)
        with pytest.raises(KeyMaterialError, match="bytes behind its header"):
            read(memoryview(change(bytes(key.prepared))))


def test_the_row_factors_in_the_source_are_exact() -> None:
    line = next(
        line for line in program.INTEGER_PROGRAM.source().splitlines() if line.startswith("__constant__")
    )
    shown = [float.fromhex(word) for word in line[line.index("{") + 1 : line.index("}")].split(", ")]
    assert shown == factors.row_factors().reshape(-1).view(np.float64).tolist()


def test_the_shared_memory_is_what_the_source_counts() -> None:
    assert program.Variant(3, 1).shared_bytes == 65_536 + 3 * 49_152 + 1_280 + 128
    assert program.Variant(1, 0).shared_bytes == 49_152 + 1_280 + 128


def test_keys_of_squashing_are_those_of_the_cpu_without_a_copy() -> None:
    """Together 2 GB: there may be no room for them twice."""
    keys = wide_keys(2)
    assert keys.squash.dimension == 2
    assert keys.squash.array().shape == (2 * 128 * 9 * 3 * 4 * 2 * 8,)
    assert (keys.pack.polynomial_size, keys.pack.columns) == (64, 192)
    assert keys.pack.array().shape == (4 * 24 * 1025 * 16,)
    for key in (keys.squash, keys.pack):
        assert np.shares_memory(key.array(), np.frombuffer(key.prepared, np.uint8))
