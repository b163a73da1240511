"""The position is read from the end of a partition that other tenants share."""

import pytest
from fake_chain import FakeChain

from streams.adapters.memory.log import MemoryLog
from streams.domain import facts
from streams.messages.topics import EVENTS
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


def is_block(fact: facts.Fact) -> bool:
    return isinstance(fact, facts.HostBlock)


async def numbers(log: MemoryLog, count: int, records_max: int | None = None) -> list[int]:
    found = await newest_facts(log, "ours", is_block, count, records_max)
    return [fact.number for fact in found if isinstance(fact, facts.HostBlock)]


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


def test_blocks_behind_a_lost_one_are_not_known() -> None:
    chain = [block(number) for number in range(100)]
    lost = [*chain[:80], *chain[81:]]
    assert [found.number for found in connected(lost)] == list(range(80))
    assert connected(chain) == chain
