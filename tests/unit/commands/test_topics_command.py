"""`topics drift` as an operator reads it, whatever differs."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.adapters.kafka import topics
from streams.adapters.kafka.declaration import Change, ChangeKind
from streams.cli import app

Run = Callable[..., Any]
DIFFERENT = {
    ChangeKind.CREATE: Change(kind=ChangeKind.CREATE, topic="a.v1", after="24 partitions, delete 30d"),
    ChangeKind.CONFIG: Change(
        kind=ChangeKind.CONFIG, topic="a.v1", setting="retention.ms", before="5", after="9"
    ),
    ChangeKind.GROW: Change(kind=ChangeKind.GROW, topic="a.v1", setting="partitions", before="1", after="3"),
    ChangeKind.SHRINK: Change(
        kind=ChangeKind.SHRINK, topic="a.v1", setting="partitions", before="6", after="3"
    ),
    ChangeKind.REPLICATION: Change(kind=ChangeKind.REPLICATION, topic="a.v1", before="1", after="3"),
    ChangeKind.UNMANAGED: Change(kind=ChangeKind.UNMANAGED, topic="stray.v1"),
}


@pytest.fixture
def drift(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on a broker with these differences."""
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(topics, "connect", lambda _: None)

    def run(*changes: Change, options: tuple[str, ...] = ()) -> Any:
        monkeypatch.setattr(topics, "drift", lambda *_: changes)
        return CliRunner().invoke(app, ["topics", "drift", *options])

    return run


def test_no_difference_is_said_and_succeeds(drift: Run) -> None:
    result = drift()
    assert (result.exit_code, result.stdout) == (0, "")
    assert "as declared" in result.stderr


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("create", r"a.v1 missing 24 partitions, delete 30d topics apply"),
        ("config", "a.v1 retention.ms 5 9 topics apply"),
        ("grow", "a.v1 partitions 1 3 topics apply --allow-repartition; keys move"),
        ("shrink", "a.v1 partitions 6 3 a new topic; Kafka cannot take partitions away"),
        ("replication", "a.v1 replication 1 3 the cluster's own tools"),
        ("unmanaged", "stray.v1 unknown yours to delete, if nobody needs it"),
    ],
)
def test_a_difference_is_told_with_what_helps(drift: Run, kind: str, told: str) -> None:
    result = drift(DIFFERENT[ChangeKind(kind)])
    assert result.exit_code == 1
    _, row = result.stdout.splitlines()
    assert " ".join(row.split()) == told


def test_every_kind_of_difference_has_a_line(drift: Run) -> None:
    assert set(DIFFERENT) == set(ChangeKind)
    assert len(drift(*DIFFERENT.values()).stdout.splitlines()) == 1 + len(DIFFERENT)


def test_a_machine_gets_what_was_found(drift: Run) -> None:
    result = drift(DIFFERENT[ChangeKind.CONFIG], options=("--json",))
    assert result.exit_code == 1
    assert json.loads(result.stdout) == [
        {"kind": "config", "topic": "a.v1", "setting": "retention.ms", "before": "5", "after": "9"}
    ]


def test_a_machine_gets_an_empty_list_of_no_difference(drift: Run) -> None:
    result = drift(options=("--json",))
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])
