"""The broker's twin keeps the contract and has faults on request."""

import asyncio

import pytest
from port_contracts.log import LogContract, records

from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.log import MemoryLog
from streams.domain.errors import BrokerError, LogTruncated

TOPIC = "t.v1"


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog({TOPIC: 3})


@pytest.fixture
def topic() -> str:
    return TOPIC


class TestContract(LogContract):
    """The sentences of every Log."""


async def test_topics_are_those_of_the_file() -> None:
    log = MemoryLog()
    assert await log.partitions("events.v1") == 24
    assert await log.partitions("work.tfhe.v1") == 48


async def test_dropped_append_is_acknowledged_and_not_stored(log: MemoryLog) -> None:
    log.drop_next(TOPIC)
    await log.append(TOPIC, key=b"k", value=b"lost", partition=0)
    await log.append(TOPIC, key=b"k", value=b"kept", partition=0)
    assert [record.value for record in log.records(TOPIC)] == [b"kept"]


@pytest.mark.parametrize("is_stored", [False, True])
async def test_failed_append_may_be_stored(log: MemoryLog, is_stored: bool) -> None:
    log.fail_next(TOPIC, is_stored=is_stored)
    with pytest.raises(BrokerError):
        await log.append(TOPIC, key=b"k", value=b"v", partition=0)
    assert await log.bounds(TOPIC, 0) == (0, int(is_stored))
    await log.append(TOPIC, key=b"k", value=b"v", partition=0)
    assert await log.bounds(TOPIC, 0) == (0, 1 + is_stored)


async def test_expired_records_are_truncation(log: MemoryLog) -> None:
    for _ in range(3):
        await log.append(TOPIC, key=b"k", value=b"v", partition=0)
    log.expire(TOPIC, 0, 2)
    assert await log.bounds(TOPIC, 0) == (2, 3)
    assert [record.offset for record in await records(log, TOPIC, 0, 2, 3)] == [2]
    with pytest.raises(LogTruncated):
        await records(log, TOPIC, 0, 1, 3)


async def test_recreated_topic_is_another_one(log: MemoryLog) -> None:
    await log.append(TOPIC, key=b"k", value=b"v", partition=0)
    before = await log.topic_id(TOPIC)
    log.recreate(TOPIC)
    assert await log.topic_id(TOPIC) != before
    assert await log.bounds(TOPIC, 0) == (0, 0)


async def test_records_carry_the_time_of_the_clock() -> None:
    clock = FakeClock(now_ms=5_000)
    log = MemoryLog({TOPIC: 1}, clock)
    await log.append(TOPIC, key=b"k", value=b"v")
    await clock.advance(1.5)
    await log.append(TOPIC, key=b"k", value=b"v")
    assert [record.timestamp_ms for record in log.records(TOPIC, 0)] == [5_000, 6_500]


async def test_grown_returns_at_the_next_append(log: MemoryLog) -> None:
    waiting = asyncio.ensure_future(log.grown())
    await asyncio.sleep(0)
    assert not waiting.done()
    await log.append(TOPIC, key=b"k", value=b"v")
    await waiting
