"""Memory adapters."""

import pytest

from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.log import MemoryLog
from streams.settings import HostChainSettings


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
