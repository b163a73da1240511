"""One `cipherstream up` for all tests of a module, which keep apart by tokens and tenants of their own."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from running import Running, Services, connected, start

from streams.devnet import up

T = TypeVar("T")


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Healthy at first; in the end they go down together, and nothing of them is left."""
    started = _run(start(tmp_path_factory.mktemp("up")))
    try:
        _run(started.until_healthy())
        yield started
    finally:
        code, left = started.end(), started.alive()
        _run(up.down(started.state, delete=True))
    assert (code, left) == (0, [])


@pytest.fixture
async def running(services: Services, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Running]:
    monkeypatch.setenv("CIPHERSTREAM_CONFIG", str(services.state.settings_file))
    async with connected(services) as found:
        yield found


def _run(work: Coroutine[None, None, T]) -> T:
    """Runs on a loop in a thread of its own: the loops of the tests belong to pytest-asyncio."""
    with ThreadPoolExecutor(max_workers=1) as threads:
        return threads.submit(asyncio.run, work).result()
