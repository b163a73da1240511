"""The integer steps through the wheel, word for word against NumPy."""

import cipherstream_kernel as kernel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.fhe.kernel.client import BIG, LEVELS, Words, encrypt, times_key, words
from tests.unit.fhe.kernel.conftest import DIMENSION, Keys

PATHS = kernel.instruction_sets()


def digits_of(mask: Words, levels: int, *, rounded_first: bool) -> np.ndarray:
    """Digits of 4 bits, (..., level), least significant first, by the rule of TFHE-rs."""
    bits = 4 * levels
    cut = (mask >> np.uint64(63 - bits)).astype(np.int64)
    rest = (cut + 1 >> 1) & (2**bits - 1)
    half = 2 ** (bits - 1)
    down = (rest > half) | ((rest == half) & (cut & 1 == 1) & (not rounded_first))
    rest -= down.astype(np.int64) << bits
    digits = []
    for _ in range(levels):
        low = rest & 15
        rest = rest >> 4
        carry = ((low - 1 | rest) & low) >> 3 & 1
        rest = rest + carry
        digits.append(low - (carry << 4))
    return np.stack(digits, axis=-1)


def switched(lwes: Words, key: Words, body: int, *, rounded_first: bool = False) -> Words:
    """(0, b) minus digits times key, (batch, columns); key (2048, level, columns)."""
    digits = digits_of(lwes[:, :BIG], key.shape[1], rounded_first=rounded_first).astype(np.uint64)
    out = -np.einsum("bil,ilc->bc", digits, key)
    out[:, body] += lwes[:, BIG]
    return out


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("batch", [1, 3, 11])
def test_keyswitch_is_its_definition(keys: Keys, path: str, batch: int) -> None:
    random = np.random.default_rng(batch)
    lwes = words(random, batch, BIG + 1)
    lwes[0, :8] = [
        2**63,
        2**63 - 2**47,
        2**63 - 2**47 - 1,
        2**47,
        2**47 - 1,
        0x8888 << 48,
        0x8 << 48,
        2**64 - 1,
    ]
    found = np.frombuffer(keys.keyswitch.keyswitch(lwes, path=path), np.uint64)
    expected = switched(lwes, keys.standard_keyswitch, DIMENSION)
    assert np.array_equal(found.reshape(batch, -1), expected)


@given(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=40))
def test_modulus_switch_is_its_definition(values: list[int]) -> None:
    found = kernel.modulus_switch(np.array(values, np.uint64), len(values) - 1)
    *mask, body = values
    rounded = [(2 * word + 2**52) // 2**53 for word in mask]
    error = sum(word - amount * 2**52 for word, amount in zip(mask, rounded, strict=True))
    expected = [*rounded, (body - error // 2) // 2**52]
    assert np.frombuffer(found, np.uint16).tolist() == [amount % 4096 for amount in expected]


@pytest.mark.parametrize("dimension", [0, 2, 2**64 - 1])
def test_modulus_switch_takes_whole_ciphertexts(dimension: int) -> None:
    with pytest.raises(ValueError, match="4 words are not ciphertexts"):
        kernel.modulus_switch(np.zeros(4, np.uint64), dimension)


@pytest.mark.parametrize("path", PATHS)
def test_packing_is_its_definition(path: str) -> None:
    random, dimension, size, count = np.random.default_rng(5), 2, 16, 5
    standard = words(random, BIG, 3, dimension + 1, size)
    lwes = words(random, count, BIG + 1)
    key = kernel.PackingKey.prepare(standard, dimension, size, 3)
    found = np.frombuffer(key.pack(lwes, threads=2, path=path), np.uint64)
    rows = switched(lwes, standard.reshape(BIG, 3, -1), dimension * size, rounded_first=True)
    expected = sum(turned(row.reshape(-1, size), degree) for degree, row in enumerate(rows))
    assert np.array_equal(found.reshape(-1, size), expected)


def turned(polynomials: Words, degree: int) -> Words:
    """X^degree times polynomials (count, size)."""
    out = np.roll(polynomials, degree, axis=1)
    out[:, :degree] = -out[:, :degree]
    return out


def test_packing_refuses_more_than_a_polynomial_holds() -> None:
    key = kernel.PackingKey.prepare(np.zeros(BIG * 3 * 2 * 4, np.uint64), 1, 4, 3)
    with pytest.raises(ValueError, match="5 ciphertexts, 4 fit"):
        key.pack(np.zeros(5 * (BIG + 1), np.uint64))


@settings(max_examples=10)
@given(st.integers(0, 4095), st.integers(0, 2047))
def test_extraction_without_key_bits_reads_the_turned_table(amount: int, position: int) -> None:
    """A bootstrap whose mask amounts are zero only turns the table: coefficient p is its entry p + amount."""
    random = np.random.default_rng(amount)
    table = words(random, BIG) >> np.uint64(32) << np.uint64(32)
    key = kernel.BootstrapKey.prepare(np.zeros(4 * BIG, np.uint64), 1)
    reads, amounts = np.array([[0, position]], np.uint32), np.array([0, amount], np.uint16)
    out = np.frombuffer(key.bootstrap(amounts, table, np.zeros(1, np.uint32), reads), np.uint64)
    assert out[BIG] == np.concatenate([table, -table])[(position + amount) % (2 * BIG)]
    assert not out[:BIG].any()


def test_the_client_of_these_tests_agrees_with_itself(keys: Keys) -> None:
    """The negacyclic product and the ciphertexts that everything above rests on."""
    one = np.zeros(BIG, np.uint64)
    one[BIG - 1] = 1
    assert np.array_equal(times_key(one, np.roll(one, 2)), np.concatenate([-one[-1:], one[:-1]]))
    plain = np.arange(4, dtype=np.uint64) << np.uint64(60)
    lwes = encrypt(np.random.default_rng(0), keys.client.big, plain, 0)
    assert lwes.shape == (4, BIG + 1)
    assert keys.standard_keyswitch.shape[1] == LEVELS
