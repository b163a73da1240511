"""Postgres keeps the contract of every Store."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from port_contracts.store import NOW, TOPICS, StoreContract, work
from port_contracts.store_ways import WaysContract

from streams.adapters.postgres import pool, rows
from streams.adapters.postgres.store import PostgresStore
from streams.devnet.stack import Stack
from streams.domain.errors import ConfigurationError, Fenced, StoreError
from streams.domain.lifecycle import WorkState
from streams.domain.rows import WorkRow
from streams.domain.state import Read, State
from streams.settings import PostgresSettings

pytestmark = pytest.mark.stack


class TestContract(StoreContract):
    """The sentences of every Store."""


class TestWays(WaysContract):
    """Those of ways from row to row."""


async def test_a_claim_waits_for_an_open_transaction(store: PostgresStore) -> None:
    epoch = (await store.claim(0, "me", TOPICS)).epoch
    async with store.begin(0, epoch) as tx:
        claiming = asyncio.create_task(store.claim(0, "you", TOPICS))
        await tx.advance("events.v1", 0, 0, 3)
        assert not claiming.done()
    claim = await claiming
    assert {offset.topic: offset.next_off for offset in claim.offsets}["events.v1"] == 3


async def test_an_owner_that_sleeps_in_a_transaction_loses_it(
    postgres: PostgresSettings, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "IDLE_TRANSACTION_S", 0.2)
    sleeper = await PostgresStore.open(postgres)
    epoch = (await sleeper.claim(0, "me", TOPICS)).epoch

    async def sleep_and_write() -> None:
        async with sleeper.begin(0, epoch) as tx:
            assert (await store.claim(0, "you", TOPICS)).epoch == epoch + 1
            await tx.advance("events.v1", 0, 0, 3)

    with pytest.raises(StoreError):
        await sleep_and_write()
    with pytest.raises(Fenced):
        async with sleeper.begin(0, epoch):
            pass
    await sleeper.close()


async def test_an_owner_that_stops_before_a_statement_is_executed_loses_its_transaction(
    postgres: PostgresSettings, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "TRANSACTION_S", 0.2)
    sleeper = await PostgresStore.open(postgres)
    epoch = (await sleeper.claim(0, "me", TOPICS)).epoch

    async def prepare_and_sleep() -> None:
        async with sleeper.pool.acquire() as connection, connection.transaction():
            await connection.fetchval("select 1 from shard_owner where shard = 0 for share")
            await connection.prepare("select 1")
            assert (await store.claim(0, "you", TOPICS)).epoch == epoch + 1
            await connection.fetchval("select 1")

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await prepare_and_sleep()
    await sleeper.close()


async def test_the_store_writes_when_an_item_took_each_step(store: PostgresStore) -> None:
    epoch = (await store.claim(0, "me", TOPICS)).epoch
    steps = (
        work("w"),
        work("w", state=WorkState.CLAIMED, deadline_ms=NOW),
        work("w", state=WorkState.DISPATCHED, deadline_ms=NOW + 9),
        work("w", state=WorkState.DONE),
    )
    for step in steps:
        state = State()
        state.put(step)
        async with store.begin(0, epoch) as tx:
            await tx.write(state.changes())
    row = await store.pool.fetchrow("select * from work_items")
    times = [row[name] for name in ("created_at", "claimed_at", "started_at", "finished_at")]
    assert times == sorted(times)
    assert row["dispatched_at"] is None


async def test_the_time_of_a_report_is_kept_to_the_microsecond(store: PostgresStore) -> None:
    epoch = (await store.claim(0, "me", TOPICS)).epoch
    item = work("w", state=WorkState.CLAIMED)
    state = State()
    state.put(item)
    async with store.begin(0, epoch) as tx:
        await tx.write(state.changes())
        await tx.dispatched([item], [1_700_000_000_123_457], NOW)
    at = await store.pool.fetchval("select dispatched_at from work_items")
    assert at == datetime.fromtimestamp(1_700_000_000, UTC) + timedelta(microseconds=123_457)


async def test_a_number_that_does_not_fit_is_not_a_lost_connection(store: PostgresStore) -> None:
    epoch = (await store.claim(0, "me", TOPICS)).epoch
    state = State()
    state.put(work("w", cost_ms=2**70))
    with pytest.raises(asyncpg.DataError, match="int64"):
        await _commit(store, epoch, state)


async def _commit(store: PostgresStore, epoch: int, state: State) -> None:
    async with store.begin(0, epoch) as tx:
        await tx.write(state.changes())


@pytest.mark.parametrize("count", [2, rows.COPIED_MIN])
async def test_what_was_taken_for_new_and_is_there_is_refused_with_all_of_its_transaction(
    store: PostgresStore, count: int
) -> None:
    """Whichever way the rows go: a few with the other changes, many as a copy."""
    epoch = (await store.claim(0, "me", TOPICS)).epoch
    there = State()
    there.put(work("w0", cause="mine"))
    await _commit(store, epoch, there)
    with pytest.raises(asyncpg.UniqueViolationError):
        await _commit(store, epoch, _taken_for_new(count))
    found = await store.pool.fetch("select id, cause from work_items")
    assert [(row["id"], row["cause"]) for row in found] == [("w0", "mine")]


@pytest.mark.parametrize("count", [2, rows.COPIED_MIN])
async def test_few_new_rows_and_many_are_stored_alike(store: PostgresStore, count: int) -> None:
    epoch = (await store.claim(0, "me", TOPICS)).epoch
    state = _taken_for_new(count)
    await _commit(store, epoch, state)
    stored = state.rows(WorkRow)
    async with store.begin(0, epoch) as tx:
        found = await tx.load([Read(WorkRow, WorkRow.KEY, (row.tenant, row.id)) for row in stored])
    assert found == [[row] for row in stored]


def _taken_for_new(count: int) -> State:
    state = State()
    for at in range(count):
        row = work(f"w{at}", cause='{"odd", \\x00}')
        state.load(Read(WorkRow, WorkRow.KEY, (row.tenant, row.id)), [])
        state.put(row)
    return state


async def test_a_server_that_is_away_is_recoverable(postgres: PostgresSettings) -> None:
    away = PostgresSettings(url="postgresql://nobody@127.0.0.1:9/none", schema=postgres.schema_name)
    store = await PostgresStore.open(away)
    with pytest.raises(StoreError):
        await store.claim(0, "me", TOPICS)
    await store.close()


@pytest.mark.parametrize("url", ["nonsense", "{}nowhere"])
async def test_a_wrong_url_is_a_wrong_setting(stack: Stack, url: str) -> None:
    store = await PostgresStore.open(PostgresSettings(url=url.format(stack.postgres_url)))
    with pytest.raises(ConfigurationError):
        await store.claim(0, "me", TOPICS)
    await store.close()


async def test_an_operator_may_accept_a_loss(store: PostgresStore) -> None:
    epoch = (await store.claim(0, "me", TOPICS)).epoch
    await store.repair("events.v1", 0, "new", 12)
    claim = await store.claim(0, "me", TOPICS)
    assert claim.epoch == epoch + 2
    assert ("events.v1", "new", 12) in {(o.topic, o.topic_id, o.next_off) for o in claim.offsets}


@pytest.mark.parametrize("is_reset", [True, False])
async def test_a_lock_of_the_session_goes_with_a_connection_that_is_reset(
    postgres: PostgresSettings, *, is_reset: bool
) -> None:
    connections = await pool.open_pool(postgres, 1, is_reset=is_reset)
    async with pool.acquired(connections) as connection:
        await connection.execute("select pg_advisory_lock(1)")
    async with pool.acquired(connections) as connection:
        assert await connection.fetchval("select pg_advisory_unlock(1)") is not is_reset
    await connections.close()
