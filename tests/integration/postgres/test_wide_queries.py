"""Records that move many rows, on a real database: few queries, and a long transaction where one needs it."""

from typing import Any

import asyncpg
import pytest
from port_contracts.store import TOPICS
from unit.domain.worlds import KEY, RULES, TENANT, Logs, answer, block, h, settled

from streams.adapters.postgres import compound, pool
from streams.adapters.postgres.store import PostgresStore, PostgresTransaction
from streams.domain import items
from streams.domain.decide import decide_fact, decide_result
from streams.domain.errors import StoreError, TransactionTooLong
from streams.domain.facts import Fact, HostBlock
from streams.domain.lifecycle import WorkState
from streams.domain.results import Failed
from streams.domain.rows import TABLES, WorkRow
from streams.domain.state import State
from streams.services.graph.session import Decision, Session
from streams.settings import PostgresSettings

pytestmark = pytest.mark.stack

WAITING = 1500
BLOCKS = 150
MOST = 15  # queries of one record
MOST_OF_BRANCHES = 20
HEAD = h("head")
ANCHOR = block("0", 0, "-1", anchor=True)


class Counted:
    """Every query of any transaction."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.queries = 0
        fetch, fetch_one = compound.fetch, PostgresTransaction._fetch

        async def counted(connection: pool.Connection, parts: Any) -> list[Any]:
            self.queries += bool(parts)
            return await fetch(connection, parts)

        async def counted_one(tx: PostgresTransaction, query: str, *arguments: Any) -> list[Any]:
            self.queries += 1
            return await fetch_one(tx, query, *arguments)

        monkeypatch.setattr(compound, "fetch", counted)
        monkeypatch.setattr(PostgresTransaction, "_fetch", counted_one)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


def fan() -> HostBlock:
    """Many transactions use what one makes."""
    logs = Logs().trivial(HEAD, 0, "t").allow(HEAD, "t")
    for at in range(WAITING):
        logs.add(HEAD, at, h(f"v{at}"), f"t{at}").allow(h(f"v{at}"), f"t{at}")
    return block("1", 1, "0", logs)


def branch(name: str, length: int) -> list[HostBlock]:
    """Blocks of a few operations each."""
    blocks: list[HostBlock] = []
    for at in range(1, length + 1):
        logs = Logs()
        for value in (h(f"x{at}"), h(f"y{at}")):
            logs.trivial(value, at).allow(value)
        blocks.append(block(f"{name}{at}", at, f"{name}{at - 1}" if at > 1 else "0", logs))
    return blocks


def of_fact(fact: Fact) -> Decision:
    return lambda state: decide_fact(state, TENANT, fact, RULES)


class Shard:
    """Decides records as an owner does, beside a state that decides them at once."""

    def __init__(self, store: PostgresStore, epoch: int) -> None:
        self.store, self.epoch = store, epoch
        self.expected = State(complete=True)

    async def apply(self, *decisions: Decision) -> None:
        async with self.store.begin(0, self.epoch) as tx:
            session = Session(tx)
            session.expect([TENANT])
            await session.decide_each(decisions)
            await tx.write(session.state.changes())
        for decision in decisions:
            decision(self.expected)

    async def is_as_expected(self) -> bool:
        """Whether the store has the rows that the decisions make."""
        found = State(complete=True)
        for table in TABLES:
            count = await self.store.pool.fetchval(f"select count(*) from {table.TABLE}")
            assert count == len(self.expected.rows(table))
        async with self.store.begin(0, self.epoch) as tx:
            session = Session(tx)
            await session.decide_each([lambda state: _read_all(state, self.expected)])
        for table in TABLES:
            for row in session.state.rows(table):
                found.put(row)
        return settled(found) == settled(self.expected)


def _read_all(state: State, like: State) -> None:
    for table in TABLES:
        for row in like.rows(table):
            state.get(table, *(getattr(row, name) for name in table.KEY))


@pytest.fixture
async def shard(store: PostgresStore) -> Shard:
    return Shard(store, (await store.claim(0, "me", TOPICS)).epoch)


def head(state: State) -> WorkRow:
    return next(row for row in state.rows(WorkRow) if row.kind == items.COMPUTE and row.subject == HEAD)


async def test_what_many_wait_for_fails_and_is_computed_after_all(shard: Shard, counted: Counted) -> None:
    await shard.apply(of_fact(ANCHOR), of_fact(KEY), of_fact(fan()))
    row = head(shard.expected)
    base = {"item": row.id, "attempt": 0, "worker": "w"}
    failed = Failed(**base, category="irrecoverable", error="OperationError", message="no")
    (computed,) = answer(shard.expected, row)
    for result in (failed, computed):
        counted.queries = 0
        await shard.apply(lambda state, result=result: decide_result(state, TENANT, result, 0))
        assert counted.queries <= MOST
    assert await shard.is_as_expected()
    ready = [row for row in shard.expected.rows(WorkRow) if row.state is WorkState.READY]
    assert len([row for row in ready if row.kind == items.COMPUTE]) == WAITING


async def test_the_first_key_of_a_tenant_comes_after_many_blocks(shard: Shard, counted: Counted) -> None:
    await shard.apply(of_fact(ANCHOR), of_fact(fan()))
    counted.queries = 0
    await shard.apply(of_fact(KEY))
    assert counted.queries <= MOST
    assert await shard.is_as_expected()


async def test_the_parent_of_many_pending_blocks_comes(shard: Shard, counted: Counted) -> None:
    first, *rest = branch("a", BLOCKS)
    await shard.apply(*map(of_fact, (ANCHOR, KEY, *rest)))
    counted.queries = 0
    await shard.apply(of_fact(first))
    assert counted.queries <= MOST
    assert await shard.is_as_expected()


async def test_many_blocks_are_reorganised(shard: Shard, counted: Counted) -> None:
    *side, last = branch("b", BLOCKS + 1)
    await shard.apply(*map(of_fact, (ANCHOR, KEY, *branch("a", BLOCKS), *side)))
    counted.queries = 0
    await shard.apply(of_fact(last))
    assert counted.queries <= MOST_OF_BRANCHES
    assert await shard.is_as_expected()


@pytest.mark.parametrize("limit", ["IDLE_TRANSACTION_S", "TRANSACTION_S"])
async def test_a_transaction_that_is_ended_for_its_length_says_so_unless_it_is_patient(
    postgres: PostgresSettings, store: PostgresStore, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(pool, "IDLE_TRANSACTION_S", 0.2)
    monkeypatch.setattr(pool, limit, 0.2)
    slow = await PostgresStore.open(postgres)
    epoch = (await store.claim(0, "me", TOPICS)).epoch

    async def last(*, is_patient: bool) -> None:
        async with slow.begin(0, epoch, is_patient=is_patient) as tx:
            assert not await tx.knows_request("request")
            # elsewhere, so that this transaction is idle
            await store.pool.fetchval("select pg_sleep(0.4)")
            assert not await tx.knows_request("request")

    with pytest.raises(TransactionTooLong):
        await last(is_patient=False)
    await last(is_patient=True)
    await slow.close()


async def test_a_connection_that_is_lost_early_is_no_transaction_that_took_too_long(
    store: PostgresStore,
) -> None:
    epoch = (await store.claim(0, "me", TOPICS)).epoch
    with pytest.raises(StoreError) as raised:
        async with store.begin(0, epoch):
            raise asyncpg.ConnectionDoesNotExistError("gone")
    assert not isinstance(raised.value, TransactionTooLong)
