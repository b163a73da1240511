"""The same sum again and again: its mean beside its least, since it was last asked."""

import io
import os
import sys
from collections.abc import Iterable
from subprocess import PIPE, Popen

import pytest

from streams.bench import yardstick
from streams.bench.yardstick import Yardstick


def told(monkeypatch: pytest.MonkeyPatch, times: Iterable[float], questions: int) -> list[float]:
    """What it answers to so many questions that are there at once, where the sums take these times."""
    queue = iter(times)
    monkeypatch.setattr(yardstick, "_time", lambda: next(queue))
    reader, writer = os.pipe()
    answers = io.StringIO()
    with os.fdopen(writer, "wb", buffering=0) as asked, os.fdopen(reader, "rb", buffering=0) as found:
        asked.write(b"\n" * questions)
        asked.close()
        yardstick.answer(found, answers, pause_s=0)
    return [float(line) for line in answers.getvalue().splitlines()]


def test_each_answer_is_of_the_sums_since_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, [2.0, 4.0, 1.0, 3.0], 3) == [1.0, 2.0, 1.0]


def test_the_sum_is_the_same_and_takes_time() -> None:
    assert min(yardstick._time() for _ in range(3)) > 0


def test_a_process_that_is_gone_costs_no_measurement() -> None:
    with Popen((sys.executable, "-c", ""), stdin=PIPE, stdout=PIPE, bufsize=0) as process:
        process.wait()
        assert Yardstick(process).slowness() == ()
