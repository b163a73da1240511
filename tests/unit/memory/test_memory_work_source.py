"""The work source's twin: slots, order, commits that never pass unfinished work."""

import asyncio

import pytest

from streams.adapters.held_work import HeldWork
from streams.adapters.memory.clock import settle
from streams.adapters.memory.log import MemoryLog
from streams.adapters.memory.work_source import MemoryWorkSource

TOPIC = "work.v1"


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog({TOPIC: 2})


async def append(log: MemoryLog, *partitions: int) -> None:
    for partition in partitions:
        await log.append(TOPIC, key=b"k", value=b"v", partition=partition)


async def take(source: MemoryWorkSource, into: list[HeldWork]) -> None:
    async for work in source.items():
        into.append(work)


async def test_no_more_than_the_slots_are_out(log: MemoryLog) -> None:
    await append(log, 0, 0, 0)
    source, out = MemoryWorkSource(log, TOPIC, 2, [0, 1]), list[HeldWork]()
    taking = asyncio.ensure_future(take(source, out))
    await settle()
    assert len(out) == 2
    out[0].done()
    await settle()
    assert [work.record.offset for work in out] == [0, 1, 2]
    for work in out:
        work.done()
    await source.stop()
    await taking


async def test_commit_waits_for_the_lowest(log: MemoryLog) -> None:
    await append(log, 0, 0)
    committed: dict[int, int] = {}
    source, out = MemoryWorkSource(log, TOPIC, 4, [0, 1], committed), list[HeldWork]()
    taking = asyncio.ensure_future(take(source, out))
    await settle()
    out[1].done()
    out[1].done()
    assert committed == {}
    out[0].done()
    assert committed == {0: 2}
    await source.stop()
    await taking


async def test_next_member_takes_what_was_not_committed(log: MemoryLog) -> None:
    await append(log, 0, 0)
    committed: dict[int, int] = {}
    first, out = MemoryWorkSource(log, TOPIC, 1, [0], committed), list[HeldWork]()
    taking = asyncio.ensure_future(take(first, out))
    await settle()
    taking.cancel()  # as a kill does
    second, again = MemoryWorkSource(log, TOPIC, 2, [0], committed), list[HeldWork]()
    retaking = asyncio.ensure_future(take(second, again))
    await settle()
    assert [work.record.offset for work in again] == [0, 1]
    for work in again:
        work.done()
    await second.stop()
    await retaking
    assert committed == {0: 2}


async def test_new_records_wake_the_source(log: MemoryLog) -> None:
    source, out = MemoryWorkSource(log, TOPIC, 4, [0, 1]), list[HeldWork]()
    taking = asyncio.ensure_future(take(source, out))
    await settle()
    await append(log, 1)
    await settle()
    assert len(out) == 1
    out[0].done()
    await source.stop()
    await taking
    assert source.partitions() == (0, 1)
