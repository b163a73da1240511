"""What runs beside the owners of shards never ends in silence: it goes on, or the process ends with it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest
from graph_world import GraphWorld
from structlog.testing import capture_logs
from test_failures import chain

from streams.adapters.memory.clock import settle as let_run
from streams.adapters.memory.log import MemoryLog
from streams.adapters.memory.store import MemoryStore
from streams.domain.errors import ConfigurationError
from streams.domain.lifecycle import WorkState
from streams.messages.topics import CONTROL
from streams.ports import Demand
from streams.services.graph import host
from streams.services.graph.faust_app import FaustFeed
from streams.services.graph.shards import Shards
from streams.services.graph.workers import WorkerView
from streams.services.runtime import Runtime
from streams.settings import Settings

DEFECT = ValueError("a byte that no text holds")


class OddStore(MemoryStore):
    """A store that answers the sweep's question with an error."""

    error: Exception | None = None

    async def demand(self, *args: Any, **kwargs: Any) -> list[Demand]:
        if self.error is not None:
            raise self.error
        return await super().demand(*args, **kwargs)


@pytest.fixture
def store() -> OddStore:
    return OddStore()


async def test_a_sweep_that_fails_is_told_in_health_and_repeated(store: OddStore) -> None:
    world = GraphWorld(store=store)
    async with world.process() as process:
        store.error = DEFECT
        with capture_logs() as lines:
            await world.clock.advance(1.1)
        assert [line["exc_info"] for line in lines if line["action"] == "sweep_failed"] == [DEFECT]
        told = process.runtime.health.snapshot()
        assert (told.status_code, told.details["sweep"]) == (503, f"ValueError: {DEFECT}")
        store.error = None
        await world.publish(*chain(3))
        for _ in range(5):
            await world.clock.advance(10)
            await process.live()
        assert process.runtime.health.snapshot().status_code == 200
        assert not process.shards.failure.done()
    assert world.items(WorkState.DONE)


async def test_a_sweep_that_somebody_has_to_mend_ends_the_process(store: OddStore) -> None:
    world = GraphWorld(store=store)
    async with world.process() as process:
        store.error = ConfigurationError("permission denied")
        await world.clock.advance(1.1)
        assert process.shards.failure.exception() is store.error


async def test_words_that_can_no_longer_be_followed_end_the_process(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take(*_: object, **__: object) -> None:
        raise DEFECT

    async with world.process() as process:
        monkeypatch.setattr(WorkerView, "take", take)
        await world.beat()
        await let_run()
        assert process.shards.failure.exception() is DEFECT


async def test_a_broker_that_can_no_longer_be_watched_ends_the_process(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds = MemoryLog.bounds

    async def odd(log: MemoryLog, topic: str, partition: int) -> tuple[int, int]:
        if topic == CONTROL:
            raise DEFECT
        return await bounds(log, topic, partition)

    async with world.process() as process:
        monkeypatch.setattr(MemoryLog, "bounds", odd)
        await world.clock.advance(3.1)
        assert process.shards.failure.exception() is DEFECT


async def test_the_end_of_a_process_tells_nothing(world: GraphWorld) -> None:
    async with world.process() as process:
        await let_run()
    assert not process.shards.failure.done()


class OddFeed:
    """Faust's assignment, once it cannot be asked for."""

    def assigned(self) -> set[int]:
        raise DEFECT


async def test_an_assignment_that_cannot_be_followed_ends_the_service(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[BaseException] = []
    async with world.process([]) as process:

        @contextlib.asynccontextmanager
        async def running(*_: object) -> AsyncGenerator[Shards]:
            yield process.shards

        monkeypatch.setattr(host, "running", running)
        service = host.Host(cast(FaustFeed, OddFeed()))
        await service.start(Runtime(name="graph", settings=Settings()), failures.append)
        await asyncio.sleep(0)
        await let_run()
        await service.stop()
    assert failures == [DEFECT]
