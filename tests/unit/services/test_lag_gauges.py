"""Lag as gauges: looked at every few seconds, aged without reading a record, still while nobody answers."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from streams.adapters.kafka.positions import LogState
from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.log import MemoryLog
from streams.adapters.telemetry.metrics import Metrics
from streams.domain.errors import BrokerError
from streams.messages.topics import EVENTS, RESULTS, WORK
from streams.ports import Offset
from streams.services.beside import beside
from streams.services.lag import Lag, Sources
from streams.services.lag_gauges import LOOK_S, Ages, LagGauges, watch

TFHE = "work.tfhe.v1"
POSITION, RECORDS = "cipherstream_consumer_position", "cipherstream_consumer_lag_records"
SECONDS = "cipherstream_consumer_lag_seconds"
READER = {"group": "graph", "topic": EVENTS, "partition": "0"}
WORKER = {"group": "tfhe-worker", "topic": TFHE, "partition": "0"}


def lag(position: int, end: int, **changes: Any) -> Lag:
    made = Lag(group="graph", topic=EVENTS, partition=0, position=position, end=end, records=end - position)
    return msgspec.structs.replace(made, **changes)


def test_an_age_begins_when_the_end_was_seen_beyond_the_reader() -> None:
    ages = Ages()
    seen = [(0, lag(5, 5)), (15, lag(5, 7)), (30, lag(5, 9)), (45, lag(7, 9)), (60, lag(9, 9))]
    assert [ages.seconds(found, at) for at, found in seen] == [0, 0, 15, 15, 0]


def test_a_reader_that_does_not_move_grows_older_also_without_new_records() -> None:
    ages = Ages()
    assert [ages.seconds(lag(5, 7), at) for at in (0, 15, 600)] == [0, 15, 600]


def test_an_age_outlives_more_looks_than_are_kept() -> None:
    ages = Ages()
    found = [ages.seconds(lag(0, at), at) for at in range(1, 1_000)]
    assert found[-1] == 998
    assert ages.seconds(lag(999, 999), 1_000) == 0


def test_readers_are_told_apart() -> None:
    ages = Ages()
    ages.seconds(lag(0, 1), 0)
    assert ages.seconds(lag(0, 1, partition=1), 10) == 0
    assert ages.seconds(lag(0, 2), 10) == 10


def test_a_log_that_was_cut_is_told() -> None:
    metrics = Metrics()
    gauges = LagGauges(metrics)
    gauges.show([lag(0, 9, state="cut")], 1_000)
    assert metrics.value("cipherstream_consumer_cut", READER) == 1
    gauges.show([lag(9, 9)], 2_000)
    assert metrics.value("cipherstream_consumer_cut", READER) == 0


class World:
    """Readers over a log in memory; the broker may be away."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.counts = {EVENTS: 1, RESULTS: 1, **dict.fromkeys(WORK.values(), 1)}
        self.log = MemoryLog(self.counts, self.clock)
        self.metrics = Metrics()
        self.applied: dict[tuple[str, int], Offset] = {}
        self.is_away = False
        self.away: Exception = BrokerError("away")
        self.sources = Sources(self, self.log, self, self.clock)

    async def logs(self, topics: Sequence[str]) -> Mapping[str, LogState]:
        if self.is_away:
            raise self.away
        return {
            topic: LogState(await self.log.topic_id(topic), (await self.log.bounds(topic, 0),))
            for topic in topics
        }

    async def committed(self, group: str, topic: str) -> Mapping[int, int]:
        return {}

    async def offsets(self) -> Mapping[tuple[str, int], Offset]:
        return self.applied

    async def publish(self, topic: str) -> None:
        await self.log.append(topic, key=b"", value=b"", partition=0)

    async def applies(self, next_off: int) -> None:
        self.applied[EVENTS, 0] = Offset(EVENTS, await self.log.topic_id(EVENTS), next_off)

    def shown(self, name: str, reader: dict[str, str] = READER) -> float | None:
        return self.metrics.value(name, reader)


@pytest.fixture
def world() -> World:
    return World()


async def test_every_reader_is_told_at_every_look(world: World) -> None:
    await world.publish(EVENTS)
    await world.publish(EVENTS)
    await world.publish(TFHE)
    await world.applies(1)
    async with beside(watch(world.sources, world.metrics)):
        await world.clock.advance(1)
        assert (world.shown(POSITION), world.shown(RECORDS), world.shown(SECONDS)) == (1, 1, 0)
        assert world.shown(RECORDS, WORKER) == 1
        await world.clock.advance(LOOK_S)
        assert world.shown(SECONDS) == LOOK_S
        await world.applies(2)
        await world.clock.advance(LOOK_S)
        assert (world.shown(POSITION), world.shown(RECORDS), world.shown(SECONDS)) == (2, 0, 0)


@pytest.mark.parametrize("error", [BrokerError("away"), ValueError("a defect")], ids=repr)
async def test_a_broker_that_is_away_is_waited_for_and_the_time_of_the_look_says_so(
    world: World, error: Exception
) -> None:
    world.away = error
    name = "cipherstream_consumer_lag_timestamp_seconds"
    async with beside(watch(world.sources, world.metrics)):
        await world.clock.advance(1)
        looked = world.metrics.value(name)
        world.is_away = True
        await world.clock.advance(4 * LOOK_S)
        assert world.metrics.value(name) == looked
        world.is_away = False
        await world.clock.advance(LOOK_S)
        assert world.metrics.value(name) == world.clock.now_ms() / 1_000 - (5 * LOOK_S + 1) % LOOK_S


async def test_nobody_looks_after_the_end(world: World) -> None:
    async with beside(watch(world.sources, world.metrics)):
        await world.clock.advance(1)
    await world.publish(EVENTS)
    await world.clock.advance(2 * LOOK_S)
    assert world.shown(RECORDS) == 0
    assert len(asyncio.all_tasks()) == 1
