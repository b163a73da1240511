"""A fleet is a real process here, with real children and real signals."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FLEET = """
import asyncio, json, sys
from pathlib import Path
from streams.adapters.telemetry import logs
from streams.services import fleet

logs.configure("up", "info")
members = {name: (sys.executable, "-c", code) for name, code in json.loads(sys.argv[2]).items()}
sys.exit(asyncio.run(fleet.keep(Path(sys.argv[1]), members, (0.01,), service_id=sys.argv[3])))
"""

DIES = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
# Tells its name and port through a pipe when its signal handler stands, then waits for the signal.
READY = """
import os, signal
signal.signal(signal.SIGTERM, lambda *_: exit({code}))
with open({pipe!r}, "w") as pipe:
    pipe.write(os.environ["CIPHERSTREAM_PROCESS"] + " " + os.environ["CIPHERSTREAM_SERVICE__HTTP_PORT"])
signal.pause()
"""


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "ready"
    os.mkfifo(path)
    return path


class Fleet:
    def __init__(self, state: Path, members: dict[str, str], service_id: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", FLEET, str(state), json.dumps(members), service_id],
            stderr=subprocess.PIPE,
            text=True,
        )

    def until(self, action: str, child: str | None = None) -> dict[str, Any]:
        assert self.process.stderr is not None
        lines = (json.loads(text) for text in self.process.stderr)
        return next(line for line in lines if line["action"] == action and line.get("child") == child)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    fleets: list[Fleet] = []

    def _start(service_id: str = "", **members: str) -> Fleet:
        fleets.append(Fleet(tmp_path, members, service_id))
        return fleets[-1]

    yield _start
    for fleet in fleets:
        fleet.process.terminate()
        fleet.process.communicate()


def test_a_dead_child_is_started_again(start: Any) -> None:
    fleet = start(graph=DIES)
    assert fleet.until("child_ended", "graph")["exit_code"] == -signal.SIGKILL
    fleet.until("child_started", "graph")
    fleet.until("child_ended", "graph")


def test_a_fleet_told_to_stop_stops_its_children(start: Any, pipe: Path) -> None:
    fleet = start(graph=READY.format(code=0, pipe=str(pipe)))
    assert pipe.read_text() == "graph 0"
    fleet.process.send_signal(signal.SIGTERM)
    fleet.until("stopping")
    assert fleet.process.wait(60) == 0


def test_a_child_that_ends_badly_shows_in_the_exit_code(start: Any, pipe: Path) -> None:
    fleet = start(graph=READY.format(code=3, pipe=str(pipe)))
    assert pipe.read_text() == "graph 0"
    fleet.process.send_signal(signal.SIGINT)
    assert fleet.process.wait(60) == 1


def test_each_child_has_a_log_of_its_own(start: Any, tmp_path: Path) -> None:
    fleet = start(graph="print('hello')", sender=DIES)
    fleet.until("child_ended", "graph")
    assert "hello" in (tmp_path / "logs" / "graph.log").read_text()
    assert (tmp_path / "logs" / "sender.log").exists()


@pytest.mark.parametrize(
    ("given", "expected"), [("node1", ["node1-graph", "node1-sender"]), ("", ["None", "None"])]
)
def test_one_id_in_the_settings_becomes_one_for_each_child(
    start: Any, tmp_path: Path, given: str, expected: list[str]
) -> None:
    child = "import os; print(os.environ['CIPHERSTREAM_SERVICE__ID'] or None)"
    fleet = start(service_id=given, graph=child, sender=child)
    fleet.until("child_ended", "graph")
    fleet.until("child_ended", "sender")
    logs = [(tmp_path / "logs" / f"{name}.log").read_text() for name in ("graph", "sender")]
    assert [text.splitlines()[0] for text in logs] == expected
