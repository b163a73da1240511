import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.fhe.radix.block import Block, RangeClaimWrong, Wire, constants, digits, total


def digit(noise: int = 1) -> Block:
    return Block.of(Wire(0, 6, noise))


def test_a_sum_adds_ranges_and_noise() -> None:
    left, right = digit(), digit(noise=2)
    added = left * 4 + right - 5
    assert (added.low, added.high, added.noise) == (-5, 10, 16 + 2)


def test_equal_wires_add_before_they_are_squared() -> None:
    block = digit()
    assert (block + block).noise == 4
    assert (block * 4 - block * 4).is_constant


def test_a_wire_is_shown_without_its_words() -> None:
    one, other = (Wire(0, 6, 1.5, np.arange(2049, dtype=np.uint64)) for _ in range(2))
    assert re.fullmatch(r"Wire\(0\.\.6, noise 1\.5, …[0-9a-f]{8}\)", repr(one))
    assert repr(one) != repr(other)
    assert repr(Block.of(one)) == f"Block(terms=(({one!r}, 1),), halves=0, low=0, high=3)"


def test_a_negative_factor_turns_the_range_around() -> None:
    block = -digit() * 2
    assert (block.low, block.high, block.noise) == (-6, 0, 4)


def test_nothing_times_zero_has_noise() -> None:
    assert digit() * 0 == Block.constant(0)


def test_a_difference_with_itself_is_a_known_zero() -> None:
    block = digit()
    assert block - block == Block.constant(0)
    assert block * 2 - block - block + 3 == Block.constant(3)


def test_a_claim_narrows_a_range() -> None:
    block = (digit() + digit()).within(0, 3)
    assert (block.low, block.high) == (0, 3)


def test_a_claim_against_the_range_is_refused() -> None:
    with pytest.raises(RangeClaimWrong):
        digit().within(4, 9)


@given(st.integers(0, 2**32 - 1))
def test_digits_are_base_four(value: int) -> None:
    assert sum(each * 4**i for i, each in enumerate(digits(value, 16))) == value
    assert all(block.is_constant and block.noise == 0 for block in constants(value, 16))


@given(st.lists(st.integers(-3, 3), max_size=6))
def test_a_total_is_the_sum_of_its_parts(factors: list[int]) -> None:
    blocks = [digit() * factor for factor in factors]
    whole = total(blocks)
    assert whole.noise == sum(factor**2 for factor in factors)
    assert (whole.low, whole.high) == (sum(b.low for b in blocks), sum(b.high for b in blocks))
