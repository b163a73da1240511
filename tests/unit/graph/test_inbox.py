"""The inbox lets through consecutive records, each once."""

import asyncio

import pytest

from streams.adapters.memory.clock import settle
from streams.ports import Record
from streams.services.graph.inbox import BATCH_BYTES_MAX, RECORDS_MAX, Inbox


def record(offset: int, value: bytes = b"v") -> Record:
    return Record(topic="t", partition=0, offset=offset, key=b"k", value=value)


@pytest.fixture
def inbox() -> Inbox:
    inbox = Inbox("t", lambda: None)
    inbox.rebase(5)
    return inbox


async def test_consecutive_records_are_kept_in_order(inbox: Inbox) -> None:
    for offset in (5, 6, 7):
        await inbox.offer(record(offset))
    assert [found.offset for found in inbox.peek(2)] == [5, 6]
    assert (len(inbox), inbox.end) == (3, 8)


async def test_what_was_applied_is_acknowledged_and_not_kept(inbox: Inbox) -> None:
    acknowledged: list[int] = []
    await inbox.offer(record(4), lambda: acknowledged.append(4))
    assert acknowledged == [4]
    assert len(inbox) == 0


async def test_what_is_pending_is_not_kept_twice(inbox: Inbox) -> None:
    acknowledged: list[int] = []
    for _ in range(2):
        await inbox.offer(record(5), lambda: acknowledged.append(5))
    assert len(inbox) == 1
    inbox.advance(6)
    assert acknowledged == [5]


async def test_a_gap_asks_for_a_rewind_once(inbox: Inbox) -> None:
    await inbox.offer(record(6))
    await inbox.offer(record(7))
    assert len(inbox) == 0
    assert inbox.take_rewind()
    assert not inbox.take_rewind()


async def test_the_record_that_was_missing_ends_the_rewind(inbox: Inbox) -> None:
    await inbox.offer(record(6))
    await inbox.offer(record(5))
    assert not inbox.take_rewind()


async def test_a_full_inbox_lets_wait_until_there_is_room(inbox: Inbox) -> None:
    for offset in range(5, 5 + RECORDS_MAX):
        await inbox.offer(record(offset))
    waiting = asyncio.create_task(inbox.offer(record(5 + RECORDS_MAX)))
    await settle()
    assert not waiting.done()
    inbox.advance(6)
    await waiting
    assert inbox.end == 6 + RECORDS_MAX


async def test_a_closed_inbox_lets_nobody_wait(inbox: Inbox) -> None:
    for offset in range(5, 5 + RECORDS_MAX):
        await inbox.offer(record(offset))
    waiting = asyncio.create_task(inbox.offer(record(5 + RECORDS_MAX)))
    await settle()
    inbox.close()
    await waiting
    assert len(inbox) == RECORDS_MAX


async def test_a_batch_is_bounded_in_bytes_but_never_empty(inbox: Inbox) -> None:
    large = b"v" * BATCH_BYTES_MAX
    for offset in (5, 6):
        await inbox.offer(record(offset, large))
    assert [found.offset for found in inbox.peek(64)] == [5]


@pytest.mark.parametrize(("next_off", "left"), [(5, 3), (7, 1), (8, 0), (9, 0), (2, 0)])
async def test_rebase_keeps_what_fits(inbox: Inbox, next_off: int, left: int) -> None:
    acknowledged: list[int] = []
    for offset in (5, 6, 7):
        await inbox.offer(record(offset), lambda offset=offset: acknowledged.append(offset))
    inbox.rebase(next_off)
    assert (len(inbox), inbox.next_off) == (left, next_off)
    assert acknowledged == (list(range(5, next_off)) if 5 <= next_off <= 8 else [])
