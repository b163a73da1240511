"""A task that is cancelled ends as cancelled, also where the database does not answer."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from integration.sender.relay import relayed

from streams.adapters.postgres import pool, sender_store
from streams.adapters.postgres.store import PostgresStore
from streams.settings import PostgresSettings

pytestmark = pytest.mark.stack
NOW_MS = 1000
_PATIENCE_S = 10.0  # far less than a statement may take


async def demand(store: PostgresStore) -> None:
    await store.demand(NOW_MS, [])


async def claim(store: PostgresStore) -> None:
    await store.claim(0, "me", {})


async def transact(store: PostgresStore) -> None:
    epoch = (await store.claim(0, "me", {})).epoch
    async with store.begin(0, epoch) as tx:
        await tx.late(NOW_MS, [])


@pytest.mark.parametrize(
    ("doing", "stops_at"),
    [(demand, b"as ready_cost_ms"), (claim, b"insert into shard_owner"), (transact, b"deadline_ms <")],
)
async def test_what_is_cancelled_as_it_asks_is_cancelled(
    postgres: PostgresSettings,
    monkeypatch: pytest.MonkeyPatch,
    doing: Callable[[PostgresStore], Awaitable[None]],
    stops_at: bytes,
) -> None:
    monkeypatch.setattr(pool, "CLOSE_S", 0.2)
    monkeypatch.setattr(pool, "COMMAND_TIMEOUT_S", 1.0)
    async with relayed(postgres) as (relay, behind):
        store = await PostgresStore.open(behind)
        relay.stops_at = stops_at
        task = asyncio.ensure_future(doing(store))
        await relay.fell_silent.wait()
        task.cancel()
        await asyncio.wait({task}, timeout=_PATIENCE_S)
        assert task.cancelled()
        await store.close()


async def test_a_sender_that_is_cancelled_as_it_asks_for_its_address_is_cancelled(
    postgres: PostgresSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "CLOSE_S", 0.2)
    async with relayed(postgres) as (relay, behind):
        store = await sender_store.open_sender_store(behind)
        relay.stops_at = b"pg_try_advisory_lock"
        task = asyncio.create_task(store.acquire(b"a" * 20))
        await relay.fell_silent.wait()
        task.cancel()
        await asyncio.wait({task}, timeout=_PATIENCE_S)
        assert task.cancelled()
        await store.close()


async def test_after_an_error_a_connection_is_as_before(postgres: PostgresSettings) -> None:
    store = await PostgresStore.open(postgres, connections=1)
    epoch = (await store.claim(0, "me", {})).epoch

    async def failing() -> None:
        async with store.begin(0, epoch) as tx:
            await tx.take_request("r", "t")
            raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        await failing()
    async with store.begin(0, epoch) as tx:
        assert not await tx.knows_request("r")
    await store.close()
