"""ports.Store on Postgres: fenced transactions over the tables of 0001_state.sql."""

import asyncio
import contextlib
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from typing import Any, Final, cast

import asyncpg
import msgspec

from streams.adapters.postgres import messages, pool, queries, rows
from streams.domain.control import Acknowledgement
from streams.domain.errors import Fenced
from streams.domain.rows import HALTED, Row, WorkRow
from streams.domain.schedule import DEFAULT_WEIGHT
from streams.domain.state import Changes, Read
from streams.ports import (
    Claim,
    DeadLetter,
    Demand,
    Headers,
    Offset,
    Outgoing,
    RaisedAlarm,
    Ready,
    Record,
    Unsent,
    Weight,
)
from streams.settings import PostgresSettings

_SQL: Final = queries.load("store.sql")
CONNECTIONS: Final = 8  # of one process; an owner holds one while it has a transaction open


class HaltedTenant(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant whose records are kept, not applied, since the record at that place failed."""

    tenant: str
    topic: str
    part: int
    off: int
    record: str  # its identity, in hex
    error: str


class TenantPlace(msgspec.Struct, frozen=True, kw_only=True):
    """How far a tenant's facts are applied: blocks of its chain, and of the gateway; -1 where none is."""

    tenant: str
    tip_number: int
    gateway_number: int


class PostgresTransaction:
    """An open, fenced transaction of one shard."""

    def __init__(self, connection: pool.Connection, shard: int, epoch: int) -> None:
        self._connection, self._shard, self._epoch = connection, shard, epoch
        self.rows = 0  # written so far

    async def load(self, reads: Sequence[Read]) -> list[list[Row]]:
        """Rows that answer each look-up, by one query."""
        return await rows.load(self._connection, reads)

    async def downstream(self, tenant: str, tokens: Sequence[bytes]) -> list[str]:
        """Items that wait for these tokens, for what those items bring, and so on."""
        return [record["item"] for record in await self._fetch("downstream", tenant, list(tokens))]

    async def upstream(self, tenant: str, items: Sequence[str]) -> list[str]:
        """These items, those that make what they lack, and so on, as far as each has ended and lacks any."""
        return [record["item"] for record in await self._fetch("upstream", tenant, list(items))]

    async def ancestors(self, tenant: str, hashes: Sequence[bytes], most: int) -> list[bytes]:
        """These blocks, their parents, and so on: at most so many of each branch."""
        return [record["hash"] for record in await self._fetch("ancestors", tenant, list(hashes), most)]

    async def orphans(self, tenant: str, hashes: Sequence[bytes], most: int) -> list[bytes]:
        """Blocks that wait for these, those that wait for them, and so on: at most so many."""
        return [record["hash"] for record in await self._fetch("orphans", tenant, list(hashes), most)]

    async def ends(self, tenant: str, numbers: Sequence[int], most: int) -> list[int]:
        """These ends of ranges of the gateway, those before them, and so on: at most so many of each."""
        return [record["number"] for record in await self._fetch("ends", tenant, list(numbers), most)]

    async def write(self, changes: Changes) -> None:
        """Store what decisions changed."""
        self.rows += sum(map(len, (*changes.created.values(), *changes.written.values())))
        await rows.write(self._connection, self._shard, changes)

    async def advance(self, topic: str, partition: int, start: int, next_off: int) -> None:
        """Move the next offset from `start`; raises Fenced when it is not there."""
        if await self._fetchval("advance", topic, partition, start, next_off) is None:
            raise Fenced(f"{topic}/{partition} is not at {start} any more")

    async def ready(
        self,
        work_class: str,
        now_ms: int,
        per_contract: int,
        paused: Collection[str] = (),
        key_ids: Collection[bytes] | None = None,
        *,
        most: int = sys.maxsize,
    ) -> Ready:
        """Items of a class that may be claimed now, of each contract, priority and key set; none paused.

        Of these key sets alone (`b""` names none), without `key_ids` of any.
        None at all while `most` are in flight: with many contracts the list is long, and nobody could use it.
        """
        of_these = None if key_ids is None else sorted(key_ids)
        place = (self._shard, work_class, now_ms, per_contract, sorted(paused), most, of_these)
        found = await self._fetch("ready", *place)
        # Rows of workers and rows of items, each without the other's columns.
        items = tuple(_work(record) for record in found if record["id"] is not None)
        return Ready(items, {each["holder"]: each["in_flight"] for each in found if each["id"] is None})

    async def reclaim(self) -> list[WorkRow]:
        """Take over what owners before claimed and may not have published."""
        return [_work(record) for record in await self._fetch("reclaim", self._shard, self._epoch)]

    async def dispatched(
        self, items: Sequence[WorkRow], reported_us: Sequence[int], deadline_ms: int
    ) -> None:
        """The broker has these messages: dispatched, those of class `publish` done."""
        keys = [(item.tenant, item.id, item.attempt) for item in items]
        columns = (list(column) for column in zip(*keys, strict=True))
        await self._fetch("dispatched", *columns, list(reported_us), deadline_ms)

    async def late(self, now_ms: int, live: Collection[str]) -> list[WorkRow]:
        """Dispatched items that passed their deadline or lie at a worker that is not alive."""
        found = await self._fetch("late", self._shard, now_ms, sorted(live))
        return [_work(record) for record in found]

    async def park(self, letter: DeadLetter) -> None:
        """Keep bytes that do not decode."""
        at = letter.record
        names, values = _headers(at.headers)
        place = (at.topic, at.partition, at.offset, at.key, at.value, names, values)
        why = (letter.error_class, letter.error)
        await self._fetch("park", letter.id, self._shard, letter.tenant, *place, *why)

    async def halt(self, tenant: str, record: Record, error: str) -> None:
        """Apply nothing more of a tenant from this record on."""
        place = (record.topic, record.partition, record.offset)
        await self._fetch("halt", tenant, self._shard, *place, error)

    async def hold(self, tenant: str, record: Record) -> None:
        """Keep a record of a halted tenant behind those kept before; the same one again changes nothing."""
        names, values = _headers(record.headers)
        place = (record.topic, record.partition, record.offset)
        body = (record.key, record.value, names, values, record.timestamp_ms)
        await self._fetch("hold", record.identity, self._shard, tenant, *place, *body)

    async def held(self, tenant: str, limit: int) -> list[Record]:
        """The oldest kept records of a tenant, in the order in which they were kept."""
        return [_record(found) for found in await self._fetch("held", tenant, limit)]

    async def drop_held(self, records: Sequence[Record]) -> None:
        """Forget kept records: they are applied."""
        await self._fetch("drop_held", [record.identity for record in records])

    async def resume(self, tenant: str) -> None:
        """The tenant is no longer halted, and its alarm is over."""
        await self._fetch("resume", tenant, HALTED)

    async def knows_request(self, request: str) -> bool:
        """Whether an operator's command was carried out."""
        return await self._fetchval("knows_request", request) is not None

    async def take_request(self, request: str, tenant: str) -> None:
        """Remember an operator's command as carried out."""
        await self._fetch("take_request", request, tenant)

    async def acknowledge(self, word: Acknowledgement) -> None:
        """Remember that an operator knows of these alarms, whether they stand yet or not."""
        subjects = [alarm.subject for alarm in word.alarms]
        digests = [alarm.detail_digest for alarm in word.alarms]
        await self._fetch("acknowledge", word.tenant, word.kind, subjects, digests, word.reason, word.request)

    async def _fetch(self, query: str, *arguments: Any) -> list[Any]:
        return await self._connection.fetch(_SQL[query], *arguments)

    async def _fetchval(self, query: str, *arguments: Any) -> Any:
        return await self._connection.fetchval(_SQL[query], *arguments)


class PostgresStore:
    """The materialised state in one schema."""

    def __init__(self, connections: pool.Pool, patient: pool.Pool) -> None:
        self._pool = connections
        self._patient = patient  # used for a transaction that needs long, else without a connection
        self._rows = 0  # written by this process: whether the tables may have grown

    @classmethod
    async def open(cls, settings: PostgresSettings, connections: int = CONNECTIONS) -> "PostgresStore":
        """Connect on first use; raises ConfigurationError, StoreError."""
        usual = await pool.open_pool(settings, connections, is_reset=False, by_index=True)
        patient = await pool.open_pool(settings, connections, is_reset=False, by_index=True, is_patient=True)
        return cls(usual, patient)

    @property
    def pool(self) -> pool.Pool:
        """The connections, for reading beside the owners."""
        return self._pool

    async def claim(self, shard: int, owner: str, topics: Mapping[str, str]) -> Claim:
        """Become the owner with a new epoch; waits for an open transaction of the one before."""
        async with pool.acquired(self._pool) as connection, _begun(connection):
            epoch = await connection.fetchval(_SQL["claim_shard"], shard, owner)
            for topic, topic_id in topics.items():
                await connection.execute(_SQL["insert_offset"], topic, shard, topic_id)
            offsets = await connection.fetch(_SQL["offsets"], shard, list(topics))
            halted = await connection.fetch(_SQL["halted"], shard)
        return Claim(
            shard=shard,
            epoch=epoch,
            offsets=tuple(Offset(r["topic"], r["topic_id"], r["next_off"]) for r in offsets),
            halted=frozenset(r["tenant"] for r in halted),
        )

    @contextlib.asynccontextmanager
    async def begin(
        self, shard: int, epoch: int, *, is_patient: bool = False
    ) -> AsyncGenerator[PostgresTransaction]:
        """A transaction whose first statement is the fence; raises Fenced, StoreError.

        TransactionTooLong where the server ended it for its length, of which a patient one has more.
        """
        statements = _SQL["begin"].format(shard=shard, epoch=epoch)
        limit_s = pool.PATIENT_S if is_patient else pool.IDLE_TRANSACTION_S
        async with pool.acquired(self._patient if is_patient else self._pool) as connection:
            if connection.has_outgrown(self._rows):
                statements = _SQL["plan_anew"] + statements
            async with pool.begun(connection, statements, limit_s) as found:
                if found != "SELECT 1":
                    raise _fenced(shard, epoch)
                tx = PostgresTransaction(connection, shard, epoch)
                yield tx
            self._rows += tx.rows

    async def messages(self, shard: int, epoch: int, items: Sequence[WorkRow]) -> list[Outgoing | None]:
        """The message of each item; None when something that it needs is not stored.

        Raises: Fenced, StoreError.
        """
        async with pool.acquired(self._pool) as connection:
            found = await messages.assemble(connection, items, (_SQL["is_owner"], (shard, epoch)))
        if found is None:
            raise _fenced(shard, epoch)
        return found

    async def demand(
        self,
        now_ms: int,
        live: Collection[str],
        paused: Collection[str] = (),
        weights: Sequence[Weight] = (),
    ) -> list[Demand]:
        """Open work per shard, class and key set, that of paused tenants apart; raises StoreError."""
        names = [f"{each.work_class}/{each.tenant}" for each in weights]
        weighed = (names, [each.weight for each in weights], DEFAULT_WEIGHT)
        async with pool.acquired(self._pool) as connection:
            found = await connection.fetch(_SQL["demand"], now_ms, sorted(live), sorted(paused), *weighed)
        return [Demand(**dict(record)) for record in found]

    async def outstanding(self) -> dict[str, dict[str, int]]:
        """Estimated cost in ms of what is in flight, by class and worker, in all shards."""
        costs: dict[str, dict[str, int]] = defaultdict(dict)
        async with pool.acquired(self._pool) as connection:
            for record in await connection.fetch(_SQL["outstanding"]):
                costs[record["work_class"]][record["worker"]] = record["cost_ms"]
        return dict(costs)

    async def unsent(self) -> Unsent:
        """What the gateway does not have yet, of all shards; raises StoreError."""
        async with pool.acquired(self._pool) as connection:
            return Unsent(**dict(await connection.fetchrow(_SQL["unsent"])))

    async def alarms(self, tenant: str, kind: str) -> list[RaisedAlarm]:
        """Alarms that nobody has acknowledged as they are, by subject; raises StoreError."""
        async with pool.acquired(self._pool) as connection:
            found = await connection.fetch(_SQL["alarms"], tenant, kind)
        return [RaisedAlarm(record["subject"], record["detail"]) for record in found]

    async def halted(self) -> list[HaltedTenant]:
        """Halted tenants of all shards; raises StoreError."""
        async with pool.acquired(self._pool) as connection:
            found = await connection.fetch(_SQL["all_halted"], HALTED)
        return [HaltedTenant(**dict(record)) for record in found]

    async def places(self, shard: int) -> list[TenantPlace]:
        """Where the tenants of a shard stand; raises StoreError."""
        async with pool.acquired(self._pool) as connection:
            return [TenantPlace(**dict(record)) for record in await connection.fetch(_SQL["places"], shard)]

    async def repair(self, topic: str, partition: int, topic_id: str, next_off: int) -> None:
        """An operator accepts that records are lost: fence the owner and go on at this offset."""
        async with pool.acquired(self._pool) as connection, _begun(connection):
            await connection.fetchval(_SQL["claim_shard"], partition, "repair")
            await connection.execute(_SQL["repair_offset"], topic, partition, topic_id, next_off)

    async def close(self) -> None:
        """Let go of all connections."""
        try:
            async with asyncio.timeout(pool.CLOSE_S):
                await asyncio.gather(self._pool.close(), self._patient.close())
        except (TimeoutError, asyncpg.InterfaceError, OSError):
            self._pool.terminate()
            self._patient.terminate()


def _fenced(shard: int, epoch: int) -> Fenced:
    return Fenced(f"shard {shard} has a newer owner than epoch {epoch}")


def _work(record: Any) -> WorkRow:
    return cast(WorkRow, rows.as_row(WorkRow, record))


def _headers(headers: Headers) -> tuple[list[str], list[bytes]]:
    return [name for name, _ in headers], [value for _, value in headers]


def _record(found: Any) -> Record:
    return Record(
        topic=found["topic"],
        partition=found["part"],
        offset=found["off"],
        key=found["key"],
        value=found["value"],
        headers=tuple(zip(found["header_names"], found["header_values"], strict=True)),
        timestamp_ms=found["timestamp_ms"],
    )


def _begun(connection: pool.Connection) -> contextlib.AbstractAsyncContextManager[str]:
    return pool.begun(connection, "begin", pool.TRANSACTION_S)
