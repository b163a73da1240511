"""A kill that ends the test's service instead of the test."""

from collections.abc import Callable
from pathlib import Path

import pytest

from streams.services import crashpoints


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the service may catch it."""


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], type[BaseException]]:
    """Arms a point, as the environment would; gives the exception that stands for the kill."""

    def kill(pid: int, number: int) -> None:
        raise Killed

    def arm(point: str) -> type[BaseException]:
        assert point in crashpoints.POINTS
        monkeypatch.setattr(crashpoints.os, "kill", kill)
        monkeypatch.setenv(crashpoints.POINT_VARIABLE, point)
        monkeypatch.setenv(crashpoints.MARKER_VARIABLE, str(tmp_path / point))
        return Killed

    return arm
