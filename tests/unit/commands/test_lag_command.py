"""`lag` as an operator reads it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.commands import lag as command
from streams.services.lag import Lag

REST = Lag(group="graph", topic="events.v1", partition=0, position=5, end=5, records=0)
BEHIND = Lag(group="graph", topic="events.v1", partition=1, position=5, end=9, records=4, seconds=1.25)
STUCK = Lag(
    group="tfhe-worker",
    topic="work.tfhe.v1",
    partition=3,
    position=0,
    end=2,
    records=2,
    seconds=None,
    state="stuck",
)
CUT = Lag(
    group="graph", topic="results.v1", partition=2, position=7, end=5, records=0, seconds=None, state="cut",
    reason="results.v1/2 ends at 5",
)  # fmt: skip

Run = Callable[..., Any]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on what was measured."""

    def run(*measured: Lag, options: tuple[str, ...] = ()) -> Any:
        async def measure(interval_s: float) -> tuple[Lag, ...]:
            assert interval_s == 60
            return measured

        monkeypatch.setattr(command, "_measure", measure)
        return CliRunner().invoke(app, ["lag", *options])

    return run


def rows(output: str) -> list[list[str]]:
    return [line.split() for line in output.splitlines()]


def test_who_is_behind_and_moves_is_no_failure(run: Run) -> None:
    result = run(REST, BEHIND)
    assert result.exit_code == 0
    assert rows(result.stdout) == [
        ["group", "topic", "partition", "records", "seconds", "state"],
        ["graph", "events.v1", "all", "4", "1.2", "ok"],
        ["1", "4", "1.2", "ok"],
    ]


def test_all_partitions_are_shown_on_request(run: Run) -> None:
    assert ["0", "0", "0.0", "ok"] in rows(run(REST, BEHIND, options=("--all",)).stdout)


def test_who_is_stuck_fails(run: Run) -> None:
    result = run(REST, STUCK)
    assert result.exit_code == 1
    assert ["3", "2", "?", "stuck"] in rows(result.stdout)


def test_a_cut_log_fails_and_its_repair_is_told(run: Run) -> None:
    result = run(CUT)
    assert result.exit_code == 1
    assert ["2", "0", "?", "cut"] in rows(result.stdout)
    assert "results.v1/2 ends at 5" in result.stderr


def test_a_machine_gets_every_partition_and_the_sums(run: Run) -> None:
    result = run(REST, BEHIND, STUCK, options=("--json",))
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert [one["records"] for one in found["partitions"]] == [0, 4, 2]
    assert [(one["topic"], one["records"], one["state"]) for one in found["topics"]] == [
        ("events.v1", 4, "ok"),
        ("work.tfhe.v1", 2, "stuck"),
    ]
    assert found["interval_s"] == 60
