"""Measurements of one line: one heading, every figure beside its aim, one file that is always whole."""

from pathlib import Path

import msgspec
import pytest

from streams.bench import yardstick
from streams.bench.report import Figure, Machine, Report, Run, Ticks
from streams.commands import measured
from streams.commands.measured import Measurements

MACHINE = Machine(cpu="a cpu", cores=2, memory_gib=23.5, python="3.11", load=0.5)
FIRST = Report(
    bench="one",
    setting={},
    figures=(
        Figure(name="fast", value=12_345, unit="per s", at_least=10_000),
        Figure(name="late", value=7.5, unit="ms", at_most=5),
        Figure(name="told", value=1, unit="MiB"),
    ),
)
SECOND = Report(bench="two", setting={"n": 1}, figures=())


def test_figures_stand_beside_their_aims(capsys: pytest.CaptureFixture[str]) -> None:
    measurements = Measurements(MACHINE)
    measurements.show(FIRST)
    measurements.show(SECOND)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["a", "cpu,", "2", "cores,", "23.5", "GiB,", "load", "0.5"],
        ["bench", "figure", "value", "unit", "aim"],
        ["one", "fast", "12,345", "per", "s", ">=", "10000"],
        ["one", "late", "7.5", "ms", "<=", "5,", "missed"],
        ["one", "told", "1", "MiB"],
    ]


@pytest.mark.parametrize("given", [(0, 1), (1, 0), (2, 2)])
def test_the_file_has_all_reports_wherever_it_was_named(tmp_path: Path, given: tuple[int, int]) -> None:
    path = tmp_path / "results" / "run.json"
    measurements = Measurements(MACHINE, output=path if given == (2, 2) else None)
    measurements.keep(FIRST, path if given[0] == 1 else None)
    measurements.keep(SECOND, path if given[1] == 1 else None)
    found = msgspec.json.decode(path.read_bytes(), type=Run)
    assert (found.machine, found.reports) == (MACHINE, (FIRST, SECOND))
    assert found.command.split()[0] == "cipherstream"


def test_nothing_is_written_where_no_file_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Measurements(MACHINE).keep(FIRST, None)
    assert list(tmp_path.iterdir()) == []


def test_each_measurement_tells_what_neighbours_took_since_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = iter([Ticks(0, 0), Ticks(10, 100), Ticks(10, 200)])
    monkeypatch.setattr(measured, "ticks", lambda: next(times))
    measurements = Measurements(MACHINE, since=measured.ticks())
    first, second = measurements.finish(FIRST), measurements.finish(SECOND)
    assert first.figures[:-1] == FIRST.figures
    assert [report.figures[-1].value for report in (first, second)] == [10.0, 0.0]


def test_each_measurement_tells_how_slow_the_machine_was_meanwhile() -> None:
    with yardstick.beside() as beside:
        measurements = Measurements(MACHINE, yardstick=beside)
        found = [measurements.finish(FIRST).figures[-2:] for _ in range(2)]
    for mean, least in found:
        assert (mean.name, least.name) == ("a fixed sum, mean", "a fixed sum, least")
        assert mean.value >= least.value > 0
