"""The same sum again and again: its mean and its least since it was last asked."""

import io
import itertools
import os
import sys
from collections.abc import Collection, Sequence
from subprocess import PIPE, Popen

import pytest

from streams.bench import yardstick
from streams.bench.yardstick import Yardstick


def told(monkeypatch: pytest.MonkeyPatch, times: Sequence[float], asked_at: Collection[int]) -> list[str]:
    """What it answers where the sums take these times, and a question comes during those."""
    reader, writer = os.pipe()
    answers, sums = io.StringIO(), itertools.count()
    with os.fdopen(writer, "wb", buffering=0) as asked, os.fdopen(reader, "rb", buffering=0) as found:

        def time_ms() -> float:
            number = next(sums)
            if number in asked_at:
                asked.write(b"\n")
            if number == len(times) - 1:
                asked.close()
            return times[number]

        monkeypatch.setattr(yardstick, "_time_ms", time_ms)
        yardstick.answer(found, answers, pause_s=0)
    return answers.getvalue().splitlines()


def test_each_answer_is_of_the_sums_since_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, [2.0, 4.0, 1.5, 0.5, 9.0], {1, 3}) == ["3.00 2.00", "1.00 0.50"]


def test_the_sum_is_the_same_and_takes_time() -> None:
    assert min(yardstick._time_ms() for _ in range(3)) > 0


def test_a_process_that_is_gone_costs_no_measurement() -> None:
    with Popen((sys.executable, "-c", ""), stdin=PIPE, stdout=PIPE, bufsize=0) as process:
        process.wait()
        assert Yardstick(process).slowness() == ()
