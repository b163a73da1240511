"""The position is read from the end of a partition that other tenants share."""

import tracemalloc
from collections.abc import AsyncGenerator

import pytest
from fake_chain import FakeChain

from streams.adapters.memory.log import MemoryLog
from streams.domain import facts
from streams.messages.topics import EVENTS
from streams.ports import Record
from streams.services.listener import position
from streams.services.listener.follower import connected
from streams.services.listener.position import newest_facts
from streams.services.listener.publish import Publisher

ONE_PARTITION = {EVENTS: 1}


def block(number: int, size: int = 0) -> facts.HostBlock:
    head = FakeChain(length=number + 1).branch[number]
    logs = (
        facts.Log(address=bytes(20), topics=(), data=bytes(size), transaction_hash=bytes(32), log_index=0),
    )
    return facts.HostBlock(
        chain_id=1,
        number=number,
        hash=head.hash,
        parent_hash=head.parent_hash,
        timestamp=0,
        logs=logs if size else (),
    )


def number_of(fact: facts.Fact) -> int | None:
    return fact.number if isinstance(fact, facts.HostBlock) else None


async def numbers(log: MemoryLog, count: int, records_max: int | None = None) -> list[int]:
    return await newest_facts(log, "ours", number_of, count, records_max)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(ONE_PARTITION)


async def test_an_empty_log_has_none(log: MemoryLog) -> None:
    assert await numbers(log, 5) == []


async def test_the_newest_are_found_behind_thousands_of_other_records(log: MemoryLog) -> None:
    publisher = Publisher(log, "listener")
    for number in range(3):
        await publisher.publish("ours", block(number), "id")
    for _ in range(3_000):
        await log.append(EVENTS, key=b"other", value=b"not even a fact")
    assert await numbers(log, 3) == [0, 1, 2]
    assert await numbers(log, 3, records_max=1_000) == []


async def test_a_fact_in_parts_counts_where_it_became_whole(log: MemoryLog) -> None:
    publisher = Publisher(log, "listener")
    await publisher.publish("ours", block(1, size=400_000), "id")
    await publisher.publish("ours", block(2), "id")
    assert len(log.records(EVENTS)) > 2
    assert await numbers(log, 9) == [1, 2]


async def test_interleaved_sequences_of_two_listeners_are_whole_once(log: MemoryLog) -> None:
    parts = facts.encode_fact(block(1, size=400_000))
    for part in parts:
        for _ in range(2):
            await log.append(EVENTS, key=b"ours", value=part)
    assert await numbers(log, 9) == [1]


async def test_parts_before_their_first_one_do_not_count_as_readers_keep_none_of_them(log: MemoryLog) -> None:
    first, *later = facts.encode_fact(block(1, size=400_000))
    for part in (*later, first):
        await log.append(EVENTS, key=b"ours", value=part)
    assert await numbers(log, 9) == []
    for part in later:
        await log.append(EVENTS, key=b"ours", value=part)
    assert await numbers(log, 9) == [1]


async def test_facts_that_are_told_again_count_where_there_are_no_others(log: MemoryLog) -> None:
    again = Publisher(log, "listener", is_again=True)
    for number in (1, 2):
        await again.publish("ours", block(number), "id")
    assert await numbers(log, 1) == [2]
    await Publisher(log, "listener").publish("ours", block(7), "id")
    await again.publish("ours", block(3), "id")
    assert await numbers(log, 1) == await numbers(log, 9) == [7]


async def test_a_cut_sequence_is_not_whole_by_parts_that_are_told_again(log: MemoryLog) -> None:
    await Publisher(log, "listener").publish("ours", block(1), "id")
    large = block(2, size=400_000)
    await log.append(EVENTS, key=b"ours", value=facts.encode_fact(large)[0])
    await Publisher(log, "listener", is_again=True).publish("ours", large, "id")
    assert await numbers(log, 9) == [1]


async def test_a_cut_sequence_does_not_count(log: MemoryLog) -> None:
    for part in facts.encode_fact(block(1, size=400_000))[:-1]:
        await log.append(EVENTS, key=b"ours", value=part)
    assert await numbers(log, 9) == []


async def test_bytes_that_do_not_decode_are_passed_over(log: MemoryLog) -> None:
    await log.append(EVENTS, key=b"ours", value=b"{}")
    await Publisher(log, "listener").publish("ours", block(1), "id")
    assert await numbers(log, 9) == [1]


async def test_what_retention_deleted_is_not_asked_for(log: MemoryLog) -> None:
    publisher = Publisher(log, "listener")
    for number in range(6):
        await publisher.publish("ours", block(number), "id")
    log.expire(EVENTS, 0, 4)
    assert await numbers(log, 9) == [4, 5]


async def test_what_was_read_is_not_held(log: MemoryLog) -> None:
    """Bodies of a busy tenant's blocks are gigabytes; the position is in their headers."""
    for number in range(100):
        await Publisher(log, "listener").publish("ours", block(number, size=100_000), "id")
    tracemalloc.start()
    try:
        assert await numbers(log, 100) == list(range(100))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2_000_000


async def test_no_more_is_read_at_once_than_memory_may_hold(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(position, "CHUNK_BYTES_MAX", 600_000)
    for number in range(12):
        await log.append(EVENTS, key=b"other", value=bytes(200_000))
        await Publisher(log, "listener").publish("ours", block(number, size=300_000), "id")
    spans: list[int] = []
    read = log.read

    def noted(topic: str, partition: int, start: int, end: int | None = None) -> AsyncGenerator[Record]:
        spans.append((end or 0) - start)
        return read(topic, partition, start, end)

    log.read = noted  # type: ignore[method-assign]
    assert await numbers(log, 12) == list(range(12))
    assert min(spans) < 6, "records that are 600,000 bytes together"


async def test_one_record_is_read_however_large(log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(position, "CHUNK_BYTES_MAX", 1)
    for number in range(3):
        await Publisher(log, "listener").publish("ours", block(number), "id")
    assert await numbers(log, 3) == [0, 1, 2]


def test_blocks_behind_a_lost_one_are_not_known() -> None:
    chain = [block(number) for number in range(100)]
    lost = [*chain[:80], *chain[81:]]
    assert [found.number for found in connected(lost)] == list(range(80))
    assert connected(chain) == chain
