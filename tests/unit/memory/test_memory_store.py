"""The store's twin keeps the contract."""

import pytest
from port_contracts.store import StoreContract
from port_contracts.store_ways import WaysContract

from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.store import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(FakeClock())


class TestContract(StoreContract):
    """The sentences of every Store."""


class TestWays(WaysContract):
    """Those of ways from row to row."""
