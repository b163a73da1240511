"""The sender's table: one contract for the twin in memory and for Postgres."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest
from relay import relayed

from streams.adapters.memory.sender_store import MemorySenderStore, SenderTable
from streams.adapters.postgres import pool
from streams.adapters.postgres.sender_store import PostgresSenderStore, open_sender_store
from streams.domain.errors import Fenced, IllegalTransition, StoreError
from streams.domain.transactions import CallState, RefusedCall, Signed, StoredCall
from streams.settings import PostgresSettings

pytestmark = pytest.mark.stack
ADDRESS = b"\xad" * 20
Store = MemorySenderStore | PostgresSenderStore
Connect = Callable[[], Awaitable[Store]]


@pytest.fixture(params=["memory", "postgres"])
async def connect(request: pytest.FixtureRequest, postgres: PostgresSettings) -> AsyncIterator[Connect]:
    table = SenderTable()
    opened: list[Store] = []

    async def connect() -> Store:
        is_memory = request.param == "memory"
        opened.append(MemorySenderStore(table) if is_memory else await open_sender_store(postgres))
        return opened[-1]

    yield connect
    for store in opened:
        await store.close()


def a_call(nonce: int, call_hash: bytes = b"") -> StoredCall:
    return StoredCall(
        address=ADDRESS,
        nonce=nonce,
        call_hash=call_hash or bytes((nonce,)) * 32,
        item=f"item{nonce}",
        tenant="t",
        to=b"\1" * 20,
        data=b"data",
        gas=21_000,
        signed=Signed(raw=b"raw", hash=bytes((nonce,)) * 32, max_fee=2**70, priority_fee=1),
    )


async def holder(store: Store) -> int:
    epoch = await store.acquire(ADDRESS)
    assert epoch is not None
    return epoch


async def test_one_holder_at_a_time_and_each_has_a_higher_epoch(connect: Connect) -> None:
    first, second = await connect(), await connect()
    epoch = await holder(first)
    assert await second.acquire(ADDRESS) is None
    await first.release(ADDRESS)
    assert await holder(second) == epoch + 1
    await second.close()
    assert await holder(first) == epoch + 2


async def test_other_addresses_have_other_holders(connect: Connect) -> None:
    first, second = await connect(), await connect()
    await holder(first)
    assert await second.acquire(b"\2" * 20) == 1


async def test_rows_come_back_as_they_were_stored(connect: Connect) -> None:
    store = await connect()
    epoch = await holder(store)
    for nonce in (3, 2, 5):
        await store.insert(epoch, a_call(nonce))
    assert [call.nonce for call in await store.signed(ADDRESS)] == [2, 3, 5]
    assert await store.find(ADDRESS, a_call(3).call_hash) == a_call(3)
    assert await store.find(ADDRESS, b"\xee" * 32) is None
    assert await store.next_nonce(ADDRESS) == 6
    assert await store.next_nonce(b"\2" * 20) == 0


async def test_writes_of_an_older_epoch_change_nothing(connect: Connect) -> None:
    zombie, successor = await connect(), await connect()
    old = await holder(zombie)
    await zombie.insert(old, a_call(0))
    await zombie.release(ADDRESS)
    await holder(successor)
    with pytest.raises(Fenced):
        await zombie.insert(old, a_call(1))
    with pytest.raises(Fenced):
        await zombie.replace(old, a_call(0), a_call(9).signed)
    with pytest.raises(Fenced):
        await zombie.settle(old, a_call(0), CallState.CONFIRMED, b"\3" * 32, 7)
    assert await successor.from_nonce(ADDRESS, 0) == [a_call(0)]


async def test_a_nonce_and_a_call_under_way_are_taken_once(connect: Connect) -> None:
    store = await connect()
    epoch = await holder(store)
    await store.insert(epoch, a_call(0, b"\7" * 32))
    with pytest.raises(Fenced):
        await store.insert(epoch, a_call(0, b"\6" * 32))
    with pytest.raises(Fenced):
        await store.insert(epoch, a_call(1, b"\7" * 32))


@pytest.mark.parametrize("end", [CallState.REVERTED, CallState.LOST])
async def test_a_call_that_was_not_made_may_be_signed_anew(connect: Connect, end: CallState) -> None:
    store = await connect()
    epoch = await holder(store)
    await store.insert(epoch, a_call(0, b"\7" * 32))
    await store.settle(epoch, a_call(0, b"\7" * 32), end, b"", 0)
    assert await store.find(ADDRESS, b"\7" * 32) is None
    await store.insert(epoch, a_call(1, b"\7" * 32))
    assert [call.nonce for call in await store.signed(ADDRESS)] == [1]


async def test_a_replacement_keeps_nonce_and_call_and_remembers_the_old_hash(connect: Connect) -> None:
    store = await connect()
    epoch = await holder(store)
    await store.insert(epoch, a_call(0))
    other = Signed(raw=b"other", hash=b"\x0a" * 32, max_fee=2**71, priority_fee=2)
    more_gas = msgspec.structs.replace(a_call(0), gas=84_000)
    replaced = await store.replace(epoch, more_gas, other)
    assert replaced == msgspec.structs.replace(more_gas, signed=other, earlier=(a_call(0).signed.hash,))
    assert await store.signed(ADDRESS) == [replaced]


async def test_a_settled_call_is_found_with_its_end_and_settled_once(connect: Connect) -> None:
    store = await connect()
    epoch = await holder(store)
    await store.insert(epoch, a_call(0))
    await store.settle(epoch, a_call(0), CallState.CONFIRMED, b"\3" * 32, 7)
    found = await store.find(ADDRESS, a_call(0).call_hash)
    assert found is not None
    assert (found.state, found.transaction_hash, found.block_number) == (
        CallState.CONFIRMED,
        b"\3" * 32,
        7,
    )
    with pytest.raises(Fenced):
        await store.settle(epoch, a_call(0), CallState.LOST, b"", 0)
    with pytest.raises(IllegalTransition):
        await store.settle(epoch, found, CallState.REVERTED, b"", 0)


async def confirmed(store: Store, epoch: int, nonce: int, block: int) -> StoredCall:
    await store.insert(epoch, a_call(nonce))
    await store.settle(epoch, a_call(nonce), CallState.CONFIRMED, b"\3" * 32, block)
    found = await store.find(ADDRESS, a_call(nonce).call_hash)
    assert found is not None
    return found


async def test_a_confirmed_call_is_under_way_again_and_may_be_replaced(connect: Connect) -> None:
    store = await connect()
    epoch = await holder(store)
    row = await confirmed(store, epoch, 0, 7)
    reopened = await store.reopen(epoch, row)
    assert await store.signed(ADDRESS) == [reopened]
    assert (reopened.state, reopened.block_number) == (CallState.SIGNED, 7)
    other = Signed(raw=b"other", hash=b"\x0a" * 32, max_fee=2**71, priority_fee=2)
    replaced = await store.replace(epoch, reopened, other)
    await store.settle(epoch, replaced, CallState.LOST, b"", 0)
    again = await store.replace(epoch, replaced, a_call(9).signed)
    assert again.earlier == (other.hash, a_call(0).signed.hash), "whatever became of it"
    with pytest.raises(IllegalTransition):
        await store.reopen(epoch, reopened)


async def test_a_call_takes_another_nonce_at_once_with_the_loss_of_its_first(connect: Connect) -> None:
    store = await connect()
    epoch = await holder(store)
    gone = await confirmed(store, epoch, 0, 7)
    await store.insert(epoch, a_call(1))
    with pytest.raises(Fenced):
        await store.renew(epoch, gone, a_call(1, gone.call_hash))
    assert await store.find(ADDRESS, gone.call_hash) == gone, "neither or both"
    await store.renew(epoch, gone, a_call(2, gone.call_hash))
    assert await store.find(ADDRESS, gone.call_hash) == a_call(2, gone.call_hash)
    states = [call.state for call in await store.from_nonce(ADDRESS, 0)]
    assert states == [CallState.LOST, CallState.SIGNED, CallState.SIGNED]
    with pytest.raises(Fenced):
        await store.renew(epoch, gone, a_call(3, gone.call_hash))


async def test_a_nonce_is_given_to_another_call_with_the_hashes_of_the_first(connect: Connect) -> None:
    store = await connect()
    epoch = await holder(store)
    row = await confirmed(store, epoch, 0, 7)
    other = msgspec.structs.replace(a_call(9), nonce=0)
    refilled = await store.refill(epoch, row, other)
    assert refilled == msgspec.structs.replace(other, earlier=row.hashes)
    assert await store.from_nonce(ADDRESS, 0) == [refilled]
    assert await store.find(ADDRESS, row.call_hash) is None
    with pytest.raises(Fenced):
        await store.refill(epoch, row, other)
    with pytest.raises(Fenced):
        await store.settle(epoch, a_call(0), CallState.LOST, b"", 0)


async def test_what_was_made_is_found_by_its_block(connect: Connect) -> None:
    store = await connect()
    epoch = await holder(store)
    rows = [await confirmed(store, epoch, nonce, 10 + nonce) for nonce in range(3)]
    await store.insert(epoch, a_call(3))
    await store.settle(epoch, a_call(3), CallState.LOST, b"", 0)
    lost = await store.reopen(epoch, rows[2])
    await store.settle(epoch, lost, CallState.LOST, lost.transaction_hash, lost.block_number)
    made = await store.made(ADDRESS, 11)
    assert [(row.nonce, row.state) for row in made] == [(1, CallState.CONFIRMED), (2, CallState.LOST)]
    assert len(await store.made(ADDRESS, -5)) == 3


async def test_what_may_be_repeated_starts_at_a_nonce_whatever_became_of_it(connect: Connect) -> None:
    store = await connect()
    epoch = await holder(store)
    for nonce in range(4):
        await store.insert(epoch, a_call(nonce))
    await store.settle(epoch, a_call(1), CallState.CONFIRMED, b"\3" * 32, 7)
    await store.settle(epoch, a_call(2), CallState.LOST, b"", 0)
    assert [call.nonce for call in await store.from_nonce(ADDRESS, 1)] == [1, 2, 3]


async def test_refusals_are_counted_by_call_for_every_sender_of_an_address(connect: Connect) -> None:
    first, second = await connect(), await connect()
    refused = RefusedCall(address=ADDRESS, call_hash=b"\7" * 32, item="i", tenant="t", error="no\0t now")
    other = msgspec.structs.replace(refused, call_hash=b"\x08" * 32)
    assert [await first.refused(refused), await second.refused(refused)] == [1, 2]
    assert await first.refused(other) == 1
    assert await second.refused(msgspec.structs.replace(refused, error="x" * 100_000)) == 3


async def test_the_end_does_not_wait_for_a_database_that_does_not_answer(
    postgres: PostgresSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "CLOSE_S", 0.2)
    store = await open_sender_store(postgres)
    await holder(store)
    other = await pool.open_pool(postgres, 1)
    async with pool.acquired(other) as connection, connection.transaction():
        await connection.execute("lock table transactions in access exclusive mode")
        asking = asyncio.create_task(store.find(ADDRESS, bytes(32)))
        await asyncio.wait((asking,), timeout=0.2)
        assert not asking.done()
        await store.close()
        with pytest.raises(StoreError):
            await asking
    await other.close()


@pytest.mark.parametrize("stops_at", [b"pg_advisory_unlock(", b"pg_advisory_unlock_all"])
async def test_letting_go_does_not_wait_for_a_database_that_stops_answering(
    postgres: PostgresSettings, monkeypatch: pytest.MonkeyPatch, stops_at: bytes
) -> None:
    """The second words are of the driver, which tidies a connection that is given back."""
    monkeypatch.setattr(pool, "CLOSE_S", 0.2)
    async with relayed(postgres) as (relay, behind):
        store, other = await open_sender_store(behind), await open_sender_store(postgres)
        epoch = await holder(store)
        relay.stops_at = stops_at
        async with asyncio.timeout(5):
            with pytest.raises(StoreError):
                await store.release(ADDRESS)
        assert relay.is_silent
        await store.close()
    assert await holder(other) == epoch + 1, "the lock fell with the connection"
    await other.close()


async def test_an_address_that_somebody_has_is_left_soon_by_who_asks_in_vain(
    postgres: PostgresSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "CLOSE_S", 0.2)
    async with relayed(postgres) as (relay, behind):
        store, other = await open_sender_store(behind), await open_sender_store(postgres)
        await holder(other)
        relay.stops_at = b"pg_advisory_unlock_all"
        async with asyncio.timeout(5):
            with pytest.raises(StoreError):
                await store.acquire(ADDRESS)
        await store.close()
    await other.close()


async def test_the_database_notices_soon_that_a_machine_is_gone(postgres: PostgresSettings) -> None:
    connections = await pool.open_pool(postgres, 1)
    async with pool.acquired(connections) as connection:
        names = ("idle", "interval", "count")
        shown = [await connection.fetchval(f"show tcp_keepalives_{name}") for name in names]
    await connections.close()
    assert shown == ["10", "5", "3"]
