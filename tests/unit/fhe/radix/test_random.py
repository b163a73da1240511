"""Random numbers: exactly uniform over the positions of a turn."""

from collections import Counter

import numpy as np
import pytest

from streams.fhe.radix.block import Block
from streams.fhe.radix.executors import ClearExecutor
from streams.fhe.radix.random import blocks_needed, first_digit, random_digits, second_digit, seeded
from streams.fhe.radix.steps import run
from streams.fhe.radix.table import TURN, tabulate


def every_position() -> Block:
    return seeded(2 * np.arange(TURN))


def test_each_pair_of_digits_has_the_same_probability() -> None:
    pairs = Counter((first_digit(position), second_digit(position)) for position in range(TURN))
    assert len(pairs) == 16
    assert set(pairs.values()) == {2}


def test_both_digits_come_from_one_table() -> None:
    table = tabulate((first_digit, second_digit), 0, TURN - 1)
    for position in range(TURN):
        read = [(table.read(position, i) + table.halves[i]) / 2 for i in range(2)]
        assert read == [first_digit(position), second_digit(position)]


@pytest.mark.parametrize(("bits", "look_ups"), [(1, 1), (4, 1), (5, 2), (8, 2), (64, 16), (256, 64)])
def test_four_bits_cost_a_bootstrap(bits: int, look_ups: int) -> None:
    assert blocks_needed(bits) == look_ups


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_a_number_is_uniform_below_its_bound(bits: int) -> None:
    executor = ClearExecutor()
    first, second = np.divmod(np.arange(TURN * TURN), TURN)
    seeds = [seeded(2 * first), seeded(2 * second)][: blocks_needed(bits)]
    blocks = run(random_digits(seeds, bits), executor)
    drawn = Counter(executor.decrypt(blocks, TURN * TURN))
    assert len(drawn) == 1 << bits
    assert len(set(drawn.values())) == 1


def test_no_bits_need_no_seed() -> None:
    assert run(random_digits([], 0), ClearExecutor()) == []
