"""Reading of results that ends is told, waited out and begun again: nobody else would notice."""

from collections.abc import AsyncGenerator

import pytest
from graph_world import GraphWorld
from test_failures import chain

from streams.adapters.memory.log import MemoryLog
from streams.domain.errors import BrokerError
from streams.domain.lifecycle import WorkState
from streams.messages.topics import RESULTS
from streams.ports import Record


class Unreadable:
    """A broker that refuses to give results until it is told otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        self.is_refused = True
        self.error: Exception = BrokerError("read results.v1: not allowed")
        self._read = MemoryLog.read
        unreadable = self

        async def read(
            log: MemoryLog, topic: str, partition: int, start: int, end: int | None = None
        ) -> AsyncGenerator[Record, None]:
            async for record in unreadable._records(log, topic, partition, start, end):
                yield record

        monkeypatch.setattr(MemoryLog, "read", read)

    async def _records(
        self, log: MemoryLog, topic: str, partition: int, start: int, end: int | None
    ) -> AsyncGenerator[Record, None]:
        if topic == RESULTS and self.is_refused:
            self.asked += 1
            raise self.error
        async for record in self._read(log, topic, partition, start, end):
            yield record


async def test_results_that_cannot_be_read_are_told_and_asked_for_again(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Unreadable(monkeypatch)
    async with world.process() as process:
        await world.beat()
        await world.publish(*chain(3))
        await process.settle()
        assert process.runtime.health.snapshot().details["kafka"] == "read results.v1: not allowed"
        asked = broker.asked
        await process.settle()
        assert broker.asked == asked  # no more until time has passed
        broker.is_refused = False
        for _ in range(5):
            await world.clock.advance(30)
            await process.live()
        assert "kafka" not in process.runtime.health.snapshot().details
    assert world.items(WorkState.DONE)


async def test_results_that_end_for_a_reason_that_nobody_foresaw_end_the_process(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Unreadable(monkeypatch)
    broker.error = ValueError("a record that no reader has seen")
    async with world.process() as process:
        await process.settle()
        assert process.shards.failure.exception() is broker.error
