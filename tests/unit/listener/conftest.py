"""Memory adapters, and a kill that ends the test's service instead of the test."""

from collections.abc import Callable
from pathlib import Path

import pytest

from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.log import MemoryLog
from streams.services import crashpoints
from streams.settings import HostChainSettings


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the service may catch it."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def host() -> HostChainSettings:
    return HostChainSettings(
        id=12345,
        http_url="http://unused",
        acl_address="0x" + "ac" * 20,
        executor_address="0x" + "ee" * 20,
        start_block=3,
        poll_interval_ms=100,
    )


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
