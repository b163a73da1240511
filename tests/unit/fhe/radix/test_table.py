"""Tables use the padding bit where that is right, and refuse where it is not."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.fhe.radix import functions
from streams.fhe.radix.table import SPACE, PaddingExceeded, tabulate


def value_of(function: Callable[[int], int], low: int, high: int, value: int) -> float:
    table = tabulate((function,), low, high)
    return (table.read(value, 0) + table.halves[0]) / 2


@given(st.lists(st.integers(-8, 8), min_size=SPACE, max_size=SPACE), st.integers(-40, 40))
def test_any_function_on_sixteen_values_is_a_table(results: list[int], low: int) -> None:
    def function(value: int) -> int:
        return results[value - low]

    for value in range(low, low + SPACE):
        assert value_of(function, low, low + SPACE - 1, value) == results[value - low]


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [
        (functions.power_sign(3), -15, 15),
        (functions.step(1), -15, 15),
        (functions.at_least(0, 8), -16, 15),
        (functions.below(0), -16, 15),
        (functions.at_least(16, 4), 0, 31),
        (functions.equals(0), -15, 15),
        (functions.differs(0), 0, 16),
    ],
)
def test_symmetric_functions_take_up_to_a_whole_turn(
    function: Callable[[int], int], low: int, high: int
) -> None:
    assert all(value_of(function, low, high, value) == function(value) for value in range(low, high + 1))


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [
        (functions.message, 0, 16 + 1),
        (functions.equals(0), 0, 17),
        (functions.power_sign(0), -16, 15),
        (functions.step(1), 0, 32),
    ],
)
def test_a_function_that_the_padding_bit_would_spoil_is_refused(
    function: Callable[[int], int], low: int, high: int
) -> None:
    with pytest.raises(PaddingExceeded):
        tabulate((function,), low, high)


@pytest.mark.parametrize("low", [-4, 0, 3])
def test_two_functions_share_a_bootstrap_on_eight_values(low: int) -> None:
    table = tabulate((functions.message, functions.carry), low, low + 7)
    for value in range(low, low + 8):
        read = [(table.read(value, i) + table.halves[i]) // 2 for i in range(2)]
        assert read == [value % 4, value // 4]


def test_two_functions_do_not_share_a_bootstrap_on_nine_values() -> None:
    with pytest.raises(PaddingExceeded):
        tabulate((functions.message, functions.carry), 0, 8)


def test_four_functions_share_a_bootstrap_on_a_digit() -> None:
    table = tabulate(tuple(functions.equals(target) for target in range(4)), 0, 3)
    assert [[table.read(value, i) // 2 for i in range(4)] for value in (0, 3)] == [[1, 0, 0, 0], [0, 0, 0, 1]]
