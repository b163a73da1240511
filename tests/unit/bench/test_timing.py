"""Pieces of work at a time: what is told, and in which order."""

import threading

import pytest

from streams.bench.timing import Timing, timed


def test_results_are_in_order_and_so_many_are_at_work() -> None:
    both = threading.Barrier(2)

    def meet(number: int) -> int:
        both.wait(60)
        return 10 * number

    timing, found = timed(meet, [1, 2, 3, 4], at_once=2)
    assert found == [10, 20, 30, 40]
    assert timing.count == 4
    assert timing.seconds > 0
    assert timing.processor_s >= 0


def test_rates_and_costs_are_of_one() -> None:
    timing = Timing(count=4, seconds=2.0, processor_s=3.0)
    assert (timing.per_second, timing.busy_cores, timing.core_s) == (2.0, 1.5, 0.75)


def test_what_a_piece_raises_ends_the_measurement() -> None:
    with pytest.raises(ZeroDivisionError):
        timed(lambda number: 1 // number, [1, 0], at_once=2)
