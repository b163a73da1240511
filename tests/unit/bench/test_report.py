"""Figures know whether their aim is met; what is said of the machine does not name it."""

import os
import socket

import msgspec
import pytest

from streams.bench.report import (
    Figure,
    Report,
    Run,
    Ticks,
    machine,
    percentile,
    processor_s,
    resident,
    ticks,
    ticks_of,
)


@pytest.mark.parametrize(
    ("figure", "is_met"),
    [
        (Figure(name="n", value=5, unit="u"), None),
        (Figure(name="n", value=5, unit="u", at_least=5), True),
        (Figure(name="n", value=4, unit="u", at_least=5), False),
        (Figure(name="n", value=5, unit="u", at_most=5), True),
        (Figure(name="n", value=6, unit="u", at_most=5), False),
    ],
)
def test_an_aim_is_met_or_not(figure: Figure, is_met: bool | None) -> None:
    assert figure.is_met is is_met


def test_the_machine_is_described_and_not_named() -> None:
    found = machine()
    assert found.cores >= 1
    assert found.cpu
    assert found.memory_gib > 0
    assert socket.gethostname() not in msgspec.json.encode(found).decode()


def test_a_run_is_read_back() -> None:
    figures = (Figure(name="n", value=1.5, unit="u", at_most=2),)
    run = Run(command="c", machine=machine(), reports=(Report(bench="b", setting={"s": 1}, figures=figures),))
    assert msgspec.json.decode(msgspec.json.encode(run), type=Run) == run


def test_percentiles() -> None:
    values = [float(value) for value in range(101)]
    assert percentile(values, 50) == 50
    assert percentile(values, 99) == 99
    assert percentile([7.0], 99) == 7


def test_a_process_has_memory_and_has_used_the_processor() -> None:
    now, most = resident("me", os.getpid())
    assert now.name == "me: resident memory"
    assert 0 < now.value <= most.value
    assert processor_s(os.getpid()) > 0


def test_what_neighbours_took_is_their_share_of_all_processors() -> None:
    before = ticks_of("cpu  100 5 20 300 10 1 2 40 9 9\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    after = ticks_of("cpu  130 5 20 350 10 1 2 60 9 9\n")
    assert (before, after) == (Ticks(40, 478), Ticks(60, 578))
    assert [figure.value for figure in after.stolen_since(before)] == [20.0]
    assert after.stolen_since(after) == ()  # as where nothing is told of it


def test_this_machine_s_processors_have_been_at_work() -> None:
    assert 0 <= ticks().stolen < ticks().whole
