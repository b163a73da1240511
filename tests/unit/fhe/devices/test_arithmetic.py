"""Decomposition, polynomials, randomness: exact bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.fhe.devices.decomposition import decompose, recompose, weights
from streams.fhe.devices.polynomial import from_limbs, limbs, negacyclic_product, rotate, schoolbook_product
from streams.fhe.devices.randomness import NoiselessSource, SeededSource, binary_key
from streams.fhe.devices.words import Words
from streams.fhe.parameters import Gadget

GADGETS = [Gadget(23, 1), Gadget(4, 4), Gadget(3, 5), Gadget(15, 2), Gadget(1, 8)]
words = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20)


@pytest.mark.parametrize("gadget", GADGETS)
@given(values=words)
@settings(max_examples=30, deadline=None)
def test_digits_are_small_and_recompose_up_to_the_rounding(gadget: Gadget, values: list[int]) -> None:
    array = np.array(values, dtype=np.uint64)
    digits = decompose(array, gadget)
    assert np.abs(digits).max() <= gadget.base // 2
    error = (recompose(digits, gadget) - array).view(np.int64)
    assert np.abs(error).max() <= 1 << (63 - gadget.kept_bits)


def by_hand(word: int, gadget: Gadget) -> list[int]:
    """The legible loop: round, then take digits from the low end, halves up unless the rest is odd-sided."""
    rest = (word + (1 << (63 - gadget.kept_bits)) >> (64 - gadget.kept_bits)) % (1 << gadget.kept_bits)
    digits = list[int]()
    for _ in range(gadget.level):
        digit = rest % gadget.base
        rest //= gadget.base
        if digit > gadget.base // 2:
            digit, rest = digit - gadget.base, rest + 1
        digits.append(digit)
    return digits


@given(word=st.integers(0, 2**64 - 1))
def test_digits_away_from_ties_are_those_of_the_loop(word: int) -> None:
    gadget = Gadget(4, 4)
    expected = by_hand(word, gadget)
    if gadget.base // 2 in map(abs, expected):
        return
    assert decompose(np.array([word], dtype=np.uint64), gadget)[0].tolist() == expected


@pytest.mark.parametrize(
    ("top", "digits"),
    [
        (0x0000, [0, 0, 0, 0]),
        (0x0007, [7, 0, 0, 0]),
        (0x0008, [8, 0, 0, 0]),  # a tie stays up while the rest is even-sided
        (0x0088, [-8, -7, 1, 0]),  # and goes down where bit 3 of the rest is set
        (0x0009, [-7, 1, 0, 0]),
        (0xFFFF, [-1, 0, 0, 0]),
        (0x8000, [0, 0, 0, 8]),
    ],
)
def test_ties_follow_tfhe_rs(top: int, digits: list[int]) -> None:
    word = np.array([top << 48], dtype=np.uint64)
    assert decompose(word, Gadget(4, 4))[0].tolist() == digits


def test_weights_lead_to_the_top_bits() -> None:
    assert weights(Gadget(23, 1)).tolist() == [1 << 41]
    assert weights(Gadget(4, 2)).tolist() == [1 << 56, 1 << 60]


@given(values=words)
def test_limbs_are_small_and_recompose(values: list[int]) -> None:
    array = np.array(values, dtype=np.uint64)
    found = limbs(array)
    assert np.abs(found).max() <= 1 << 10
    assert (from_limbs(found) == array).all()


@given(st.integers(0, 2**32), st.sampled_from([4, 16, 64]))
@settings(max_examples=30, deadline=None)
def test_products_are_those_of_the_definition(seed: int, size: int) -> None:
    source = SeededSource(seed.to_bytes(8, "little"))
    small, large = source.noise(22, (size,)), source.uniform((size,))
    assert (negacyclic_product(small, large) == schoolbook_product(small, large)).all()


@pytest.mark.parametrize("word", [2**64 - 1, 2**63, 2**63 - 1, 0x3FF_FFC0_0FF8_01FF])
def test_products_of_the_pinned_size_are_exact_in_the_worst_case(word: int) -> None:
    small = np.full(2048, 1 << 22)
    large = np.full(2048, word, dtype=np.uint64)
    assert (negacyclic_product(small, large) == schoolbook_product(small, large)).all()


def by_definition(polynomial: Words, exponent: int) -> Words:
    size = len(polynomial)
    for _ in range(exponent % (2 * size)):
        polynomial = np.concatenate([-polynomial[-1:], polynomial[:-1]])  # X p, with X^N = -1
    return polynomial


@given(st.integers(-40, 40))
def test_rotation_is_multiplication_by_a_power_of_x(exponent: int) -> None:
    polynomial = SeededSource(b"rotation").uniform((8,))
    turned = rotate(polynomial[None, None], np.array([exponent]))[0, 0]
    assert (turned == by_definition(polynomial, exponent)).all()


def test_a_source_repeats_itself_and_never_within_itself() -> None:
    first, second = SeededSource(b"seed"), SeededSource(b"seed")
    drawn = first.uniform((4,))
    assert (drawn == second.uniform((4,))).all()
    assert (drawn != first.uniform((4,))).all()


def test_tuniform_noise_has_its_bounds_and_variance() -> None:
    noise = SeededSource(b"noise").noise(3, (20000,))
    assert (noise.min(), noise.max()) == (-8, 8)
    assert noise.var() == pytest.approx((2**7 + 1) / 6, rel=0.05)
    assert abs(noise.mean()) < 0.2


def test_a_noiseless_source_still_masks() -> None:
    source = NoiselessSource(b"seed")
    assert not source.noise(17, (8,)).any()
    assert source.uniform((8,)).any()


def test_keys_are_bits() -> None:
    key = binary_key(SeededSource(b"key"), 4000)
    assert set(key.tolist()) == {0, 1}
    assert 1800 < key.sum() < 2200
