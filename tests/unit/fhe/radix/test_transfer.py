"""A confidential transfer on clear numbers: both forms move what can be moved, and nothing else."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.fhe.radix.block import Block
from streams.fhe.radix.counts import transfer, whitepaper_transfer
from streams.fhe.radix.executors import ClearExecutor
from streams.fhe.radix.selection import select
from streams.fhe.radix.steps import Steps, run

Transfer = Callable[[list[Block], list[Block], list[Block]], Steps[list[list[Block]]]]
amounts = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize("form", [transfer, whitepaper_transfer])
@given(cases=st.lists(st.tuples(amounts, amounts, amounts), min_size=1, max_size=8))
@settings(max_examples=8, deadline=None)
def test_balances_after_a_transfer(form: Transfer, cases: list[tuple[int, int, int]]) -> None:
    cases = [*cases, (5, 7, 5), (5, 7, 6), (0, 0, 0), (2**64 - 1, 1, 2**64 - 1)]
    executor = ClearExecutor()
    balance, receiver, amount = (executor.encrypt(column, 64) for column in zip(*cases, strict=True))
    left, right = run(form(balance, receiver, amount), executor)
    moved = [a if a <= b else 0 for b, _, a in cases]
    wanted_left = [b - m for (b, _, _), m in zip(cases, moved, strict=True)]
    wanted_right = [(r + m) % 2**64 for (_, r, _), m in zip(cases, moved, strict=True)]
    assert executor.decrypt(left, len(cases)) == wanted_left
    assert executor.decrypt(right, len(cases)) == wanted_right


@pytest.mark.parametrize("form", [transfer, whitepaper_transfer])
def test_chained_transfers_stay_within_the_budget(form: Transfer) -> None:
    executor = ClearExecutor()
    balance, receiver = executor.encrypt([1000], 64), executor.encrypt([0], 64)
    for _ in range(5):
        balance, receiver = run(form(balance, receiver, executor.encrypt([150], 64)), executor)
    assert executor.decrypt([*balance], 1) == [250]
    assert executor.decrypt([*receiver], 1) == [750]
    assert executor.noise <= 39


def test_selections_in_a_row_are_refreshed_before_they_are_too_noisy() -> None:
    executor = ClearExecutor()
    value = executor.encrypt([3], 16)
    for turn in range(60):
        condition = executor.encrypt([turn % 2], 1)[0]
        value = run(select(condition, executor.encrypt([turn], 16), value), executor)
    assert executor.decrypt(value, 1) == [59]
    assert executor.noise <= 39
