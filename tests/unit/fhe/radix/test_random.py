"""Random numbers: exactly uniform over the positions of a turn."""

from collections import Counter

import numpy as np
import pytest

from streams.domain.errors import OperationError
from streams.fhe.radix.executors import ClearExecutor
from streams.fhe.radix.random import bit, bits_below, blocks_needed, digit, random_digits, seeded
from streams.fhe.radix.steps import run
from streams.fhe.radix.table import TURN, Function, tabulate


@pytest.mark.parametrize(("function", "values"), [(digit, 4), (bit, 2)])
def test_each_value_has_the_same_probability(function: Function, values: int) -> None:
    drawn = Counter(function(position) for position in range(TURN))
    assert drawn == dict.fromkeys(range(values), TURN // values)


@pytest.mark.parametrize("function", [digit, bit])
def test_a_table_reads_every_position_of_the_turn(function: Function) -> None:
    table = tabulate((function,), 0, TURN - 1)
    for position in range(TURN):
        assert (table.read(position, 0) + table.halves[0]) / 2 == function(position)


@pytest.mark.parametrize(("bits", "look_ups"), [(0, 0), (1, 1), (2, 1), (5, 3), (8, 4), (64, 32)])
def test_two_bits_cost_a_bootstrap(bits: int, look_ups: int) -> None:
    assert blocks_needed(bits) == look_ups
    executor = ClearExecutor()
    run(random_digits(executor.seeded(b"seed", bits), bits), executor)
    assert executor.look_ups == look_ups


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


@pytest.mark.parametrize(("bound", "bits"), [(1, 0), (2, 1), (128, 7), (256, 8), (1 << 200, 8)])
def test_a_bound_has_as_many_bits_as_its_exponent_and_the_type_at_most(bound: int, bits: int) -> None:
    assert bits_below(bound, 8) == bits


@pytest.mark.parametrize("bound", [0, 3, 255])
def test_another_bound_is_refused(bound: int) -> None:
    with pytest.raises(OperationError, match="power of two"):
        bits_below(bound, 8)
