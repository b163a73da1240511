"""Work of another process: in order, with its errors."""

import os
from functools import partial

import pytest

from streams.bench.elsewhere import in_another_process


def identity(_: int) -> int:
    return os.getpid()


def test_all_of_it_runs_in_one_process_that_is_not_this_one() -> None:
    (first, second) = in_another_process(identity, [1, 2])
    assert first == second != os.getpid()


def test_results_are_in_order_and_errors_come_back() -> None:
    assert in_another_process(partial(pow, 2), [3, 4]) == [8, 16]
    with pytest.raises(ValueError, match="invalid literal"):
        in_another_process(int, ["1", "x"])
