"""A crash point kills once, only where it is named, and every point that the code has is described."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streams.services import crashpoints

ROOT = Path(__file__).parents[3]
PROGRAM = (
    "from streams.services.crashpoints import crashpoint; crashpoint('sender.committed'); print('alive')"
)
_CALL = re.compile(r'crashpoint\(\s*f?"([^"]+)"')


def run(point: str, marker: Path | None) -> subprocess.CompletedProcess[str]:
    environment = {crashpoints.POINT_VARIABLE: point}
    if marker is not None:
        environment[crashpoints.MARKER_VARIABLE] = str(marker)
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_named_point_kills_once(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    assert run("sender.committed", marker).returncode == -signal.SIGKILL
    assert marker.exists()
    assert run("sender.committed", marker).stdout == "alive\n"


@pytest.mark.parametrize("point", ["", "sender.broadcast"])
def test_other_points_do_nothing(tmp_path: Path, point: str) -> None:
    assert run(point, tmp_path / "marker").stdout == "alive\n"
    assert not (tmp_path / "marker").exists()


def test_a_point_may_kill_at_a_later_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []

    def kill(pid: int, number: int) -> None:
        killed.append(number)

    monkeypatch.setattr(crashpoints.os, "kill", kill)
    monkeypatch.setenv(crashpoints.POINT_VARIABLE, "sender.committed:3")
    monkeypatch.setenv(crashpoints.MARKER_VARIABLE, str(tmp_path / "marker"))
    seen: list[int] = []
    for _ in range(4):
        crashpoints.crashpoint("sender.committed")
        crashpoints.crashpoint("sender.broadcast")
        seen.append(len(killed))
    assert seen == [0, 0, 1, 1]


def test_passes_count_from_the_removal_of_a_marker_that_was_made_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    monkeypatch.setattr(crashpoints.os, "kill", lambda pid, number: killed.append(number))
    marker = tmp_path / "marker"
    marker.touch()
    monkeypatch.setenv(crashpoints.POINT_VARIABLE, "graph.decided:2")
    monkeypatch.setenv(crashpoints.MARKER_VARIABLE, str(marker))
    for _ in range(5):
        crashpoints.crashpoint("graph.decided")
    marker.unlink()
    crashpoints.crashpoint("graph.decided")
    assert killed == []
    crashpoints.crashpoint("graph.decided")
    assert killed == [signal.SIGKILL]


def test_without_a_marker_nothing_is_killed() -> None:
    assert run("sender.committed", None).stdout == "alive\n"


def test_every_point_in_the_code_is_described() -> None:
    text = "".join(path.read_text() for path in (ROOT / "streams/services").rglob("*.py"))
    used: set[str] = set()
    for point in _CALL.findall(text):
        sources = ("listener", "gateway", "keys") if point.startswith("{") else ("",)
        used |= {re.sub(r"\{.*\}", source, point) for source in sources}
    described = set(crashpoints.POINTS) | {"keys.between_parts"}  # a key's fact is always one record
    assert used - described == set()
