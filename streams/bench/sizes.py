"""Bytes of what operations leave behind, in Postgres, Kafka and the object store, over their whole life.

A graph process decides and stores as ever; workers, sender and gateway are played, by bytes of the length of
the network's. Tables are vacuumed after each tenth of the run, as the server would do by itself over hours.
"""

import asyncio
import contextlib
import dataclasses
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from streams.adapters.kafka.log import KafkaLog
from streams.adapters.postgres.sender_store import open_sender_store
from streams.adapters.postgres.store import PostgresStore
from streams.bench import facts, traffic
from streams.bench.ciphertext_sizes import squashed_bytes, stored_bytes
from streams.bench.deployment import Deployment, deployed, opened
from streams.bench.gateway_facts import OWN, Gateway
from streams.bench.played import Workers, value
from streams.bench.report import Figure, Report
from streams.domain.facts import CrsActivated
from streams.domain.handle import is_computed
from streams.domain.operations import FheType
from streams.domain.results import Computed, encode_result
from streams.messages.topics import EVENTS, RESULTS

TRANSFERS: Final = 9  # of one block: 54 operations
LARGE: Final = 10.0  # bytes of an operation; what takes less is told together
_ROUNDS: Final = 10
_COMMITS: Final = 2 * TRANSFERS  # that the gateway tells at once
# Of the protocol's values.
_TYPES: Final = (FheType.BOOL, *(each for each in FheType if FheType.UINT8 <= each <= FheType.UINT256))
_LOOK_S: Final = 0.05
_APPLIED: Final = "select 1 from consumer_offset where topic = $1 and next_off >= $2"
_OPEN: Final = "select 1 from work_items where state in ('blocked', 'ready', 'claimed', 'dispatched') limit 1"
_TABLES: Final = """
select c.relname as name, pg_total_relation_size(c.oid) as size_bytes, pg_indexes_size(c.oid) as index_bytes
from pg_class c where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace
"""
_UPLOADED: Final = """
select h.fhe_type, count(*) as uploaded from ciphertext_digest d
join handles h on h.tenant = d.tenant and h.handle = d.handle group by 1
"""


class Sizes(msgspec.Struct, frozen=True):
    """Bytes that are there at a moment."""

    tables: Mapping[str, int]  # with indexes and TOAST
    indexes: int  # of all tables
    topics: Mapping[str, int]  # of one replica, as the broker keeps them
    objects: int


async def measure(blocks: int, operators: int) -> Report:
    """Let blocks of transfers go through their life, and tell by how much everything grew."""
    async with deployed() as deployment, opened(deployment, KafkaLog) as (store, log):
        deployment.start("graph", {"sender": {"address": "0x" + OWN.hex()}})
        async with _played(deployment, store, log) as life:
            await life.begin(blocks * TRANSFERS)
            before = await _sizes(deployment, store)
            each = -(-blocks // _ROUNDS)
            gateway = Gateway(operators)
            for first in range(0, blocks, each):
                await life.live(gateway, range(first, min(blocks, first + each)))
                await store.pool.execute("vacuum analyze")
        after = await _sizes(deployment, store)
        operations = await store.pool.fetchval("select count(*) from computations")
    return Report(
        bench="sizes",
        setting={"operations": operations, "transfers": blocks * TRANSFERS, "operators": operators},
        figures=(*growth(before, after, operations), *_of_values()),
    )


def growth(before: Sizes, after: Sizes, operations: int) -> tuple[Figure, ...]:
    """Bytes of one operation, by table and topic, the largest first."""
    tables = _grown(before.tables, after.tables, operations)
    topics = _grown(before.topics, after.topics, operations)
    return (
        *_large("table", tables),
        _figure("all tables", sum(tables.values())),
        _figure("of these indexes", (after.indexes - before.indexes) / operations),
        *_large("topic", topics),
        _figure("all topics, of one replica", sum(topics.values())),
        _figure("object store", (after.objects - before.objects) / operations),
    )


def _grown(before: Mapping[str, int], after: Mapping[str, int], operations: int) -> Counter[str]:
    return Counter({name: (size - before.get(name, 0)) / operations for name, size in after.items()})


def _large(kind: str, sizes: Counter[str]) -> list[Figure]:
    return [_figure(f"{kind} {name}", size) for name, size in sizes.most_common() if size >= LARGE]


def _figure(name: str, value: float) -> Figure:
    return Figure(name=name, value=round(value), unit="bytes/operation")


def _of_values() -> Iterable[Figure]:
    for each in _TYPES:
        yield Figure(name=f"ct64 of {each.name}", value=stored_bytes(each), unit="bytes")
        yield Figure(name=f"ct128 of {each.name}", value=squashed_bytes(each), unit="bytes")


@dataclasses.dataclass(frozen=True)
class _Life:
    """Facts into the log, each batch once nothing is left to do of the one before."""

    deployment: Deployment
    store: PostgresStore
    log: KafkaLog
    workers: Workers
    playing: asyncio.Task[None]

    async def begin(self, transfers: int) -> None:
        """Keys, and the balances that the transfers take: what was there before is not theirs."""
        crs = CrsActivated(crs_id=bytes(32), digest=bytes(32))
        await facts.publish(self.log, facts.activation(bytes(32)), crs)
        await asyncio.gather(*map(self._balances, range(transfers)))
        await self._applied()

    async def live(self, gateway: Gateway, numbers: range) -> None:
        """Requests and blocks, then all that follows, then what the gateway makes of it."""
        for block in traffic.blocks(len(numbers), TRANSFERS, numbers.start):
            await facts.publish(self.log, gateway.requests(_serials(block.number)), block)
        await self._settled()
        for number in numbers:
            await facts.publish(self.log, gateway.answers(_serials(number)))
        commits = self.workers.take_commits()
        for at in range(0, len(commits), _COMMITS):
            await facts.publish(self.log, *gateway.commits(commits[at : at + _COMMITS]))
        await self._settled()

    async def _balances(self, serial: int) -> None:
        values = tuple(value(handle) for handle in traffic.inputs(serial) if is_computed(handle))
        found = Computed(
            item=f"balances/{serial}", attempt=0, worker="bench", key_id=facts.KEY_ID, ciphertexts=values
        )
        await self.log.append(RESULTS, key=traffic.TENANT.encode(), value=encode_result(found))

    async def _settled(self) -> None:
        await self._applied()
        while await self.store.pool.fetchval(_OPEN):
            self.deployment.require_alive()
            if self.playing.done():
                self.playing.result()  # raises what the workers ended with
            await asyncio.sleep(_LOOK_S)
        await self._applied()

    async def _applied(self) -> None:
        for topic in (EVENTS, RESULTS):
            _, end = await self.log.bounds(topic, 0)
            await self.deployment.until(self.store, _APPLIED, topic, end)


@contextlib.asynccontextmanager
async def _played(deployment: Deployment, store: PostgresStore, log: KafkaLog) -> AsyncGenerator[_Life]:
    sender = await open_sender_store(deployment.postgres)
    workers = Workers(log, sender)
    playing = asyncio.create_task(workers.run())
    try:
        yield _Life(deployment, store, log, workers, playing)
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        await sender.close()


def _serials(block: int) -> range:
    return range(block * TRANSFERS, (block + 1) * TRANSFERS)


async def _sizes(deployment: Deployment, store: PostgresStore) -> Sizes:
    tables = await store.pool.fetch(_TABLES)
    uploaded = await store.pool.fetch(_UPLOADED)
    return Sizes(
        tables={table["name"]: table["size_bytes"] for table in tables},
        indexes=sum(table["index_bytes"] for table in tables),
        topics=await asyncio.to_thread(topics_in, deployment.state.root / "kafka" / "data"),
        objects=sum(_object_bytes(row["fhe_type"]) * row["uploaded"] for row in uploaded),
    )


def _object_bytes(fhe_type: int) -> int:
    return stored_bytes(FheType(fhe_type)) + squashed_bytes(FheType(fhe_type))


def topics_in(data: Path) -> dict[str, int]:
    """Bytes of each topic's records in a broker's folder, without the indexes of its files."""
    sizes = Counter[str]()
    for log in data.glob("*-*/*.log"):
        sizes[log.parent.name.rpartition("-")[0]] += log.stat().st_size
    return dict(sizes)
