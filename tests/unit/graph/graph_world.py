"""A graph service on memory twins: its broker, store and clock, a feed in Faust's place, honest workers."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field

import msgspec
from unit.domain import worlds

from streams.adapters.memory.blobs import MemoryBlobs
from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.clock import settle as let_run
from streams.adapters.memory.log import MemoryLog
from streams.adapters.memory.store import MemoryStore
from streams.adapters.telemetry.tracing import OFF, Tracing
from streams.domain.control import TenantControl, WorkerHeartbeat
from streams.domain.digest import keccak256
from streams.domain.facts import Fact, encode_fact
from streams.domain.lifecycle import WorkState
from streams.domain.results import Ciphertext, Computed, Proven, Result, Sent, Squashed, encode_result
from streams.domain.rows import WorkRow
from streams.domain.work import ComputeWork, ProofWork, SendWork, SquashWork, Work, decode_work
from streams.messages import topics
from streams.ports import Record
from streams.services.graph import engine
from streams.services.graph.shards import Shards
from streams.services.runtime import Runtime
from streams.settings import Settings

TENANT = worlds.TENANT
COUNTS = {"events.v1": 4, "results.v1": 4, "control.v1": 1, "ciphertexts.v1": 2, "dlq.v1": 1, "keysets.v1": 1}
KEY_IDS = (worlds.KEY.key_id, b"\x09" * 32)  # of the key sets that are activated, one after the other
WORK = dict.fromkeys(topics.WORK.values(), 8)


def honest(work: Work, worker: str = "w") -> list[Result]:
    """What an honest worker finds out, from nothing but the message."""
    base = {"item": work.item, "attempt": work.attempt, "worker": worker}
    if isinstance(work, ComputeWork):
        values = tuple(_ciphertext(handle) for handle in work.outputs)
        return [Computed(**base, key_id=work.key_id, ciphertexts=values)]
    if isinstance(work, SquashWork):
        assert work.ciphertext.ct64 == worlds.ct64(work.ciphertext.handle)
        return [_squashed(work, base)]
    if isinstance(work, ProofWork):
        return [_proven(work, base)]
    assert isinstance(work, SendWork)
    return [Sent(**base, transaction_hash=b"", block_number=1)]


def _ciphertext(handle: bytes) -> Ciphertext:
    return Ciphertext(handle=handle, fhe_type=handle[30], ct64=worlds.ct64(handle))


def _squashed(work: SquashWork, base: dict[str, object]) -> Squashed:
    handle = work.ciphertext.handle
    return Squashed(
        **base,
        handle=handle,
        key_id=work.key_id,
        ct64_digest=keccak256(work.ciphertext.ct64),
        ct128_digest=worlds.digest("ct128" + handle.hex()),
        format=11,
        signer=b"",
        attestation=b"",
    )


def _proven(work: ProofWork, base: dict[str, object]) -> Proven:
    if work.ciphertext_with_proof.startswith(b"bad"):
        return Proven(**base, verified=False, key_id=work.key_id, reason="InvalidInput: no")
    handle = worlds.h(f"input{work.zk_proof_id}")
    return Proven(
        **base, verified=True, key_id=work.key_id, handles=(handle,), ciphertexts=(_ciphertext(handle),)
    )


class MemoryFeed:
    """Faust's place: reads assigned partitions and hands records over; may lose some on the way."""

    def __init__(self, log: MemoryLog) -> None:
        self._from = log
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.shards: Shards | None = None
        self.lost: set[tuple[int, int]] = set()  # (partition, offset): dropped once
        self.acknowledged: dict[int, list[int]] = defaultdict(list)
        self.seeks: list[tuple[int, int]] = []

    async def seek(self, shard: int, offset: int) -> None:
        self.seeks.append((shard, offset))
        self.start(shard, offset)

    def end(self, shard: int) -> int | None:
        records = self._from.records(topics.EVENTS, shard)
        return records[-1].offset + 1 if records else 0

    def start(self, shard: int, offset: int = 0) -> None:
        if shard in self._tasks:
            self._tasks[shard].cancel()
        self._tasks[shard] = asyncio.create_task(self._read(shard, offset))

    def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()

    async def _read(self, shard: int, offset: int) -> None:
        assert self.shards is not None
        async for record in self._from.read(topics.EVENTS, shard, offset):
            place = (shard, record.offset)
            if place in self.lost:
                self.lost.discard(place)
                continue
            await self.shards.offer(
                shard, record, lambda place=place: self.acknowledged[place[0]].append(place[1])
            )


@dataclass
class GraphWorld:
    """Broker, store and clock that outlive a process of the graph service."""

    clock: FakeClock = field(default_factory=FakeClock)
    store: MemoryStore = field(default_factory=MemoryStore)
    settings: Settings = field(default_factory=Settings)
    tracing: Tracing = OFF
    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)

    def __post_init__(self) -> None:
        self.store.clock = self.clock
        self.log = MemoryLog(COUNTS | WORK, self.clock)
        self.shard = self.log.partition_of(topics.EVENTS, TENANT.encode())
        self._read: dict[tuple[str, int], int] = defaultdict(int)
        self._sequence = 0

    @contextlib.asynccontextmanager
    async def process(self, shards: Iterable[int] | None = None) -> AsyncGenerator["Process"]:
        """A process that owns these shards, by default that of the tenant."""
        feed = MemoryFeed(self.log)
        runtime = Runtime(name="graph", settings=self.settings, clock=self.clock, tracing=self.tracing)
        async with engine.serving(runtime, feed, self.store, self.log, self.blobs) as owned:
            feed.shards = owned
            process = Process(self, owned, feed, runtime)
            await process.assign([self.shard] if shards is None else shards)
            try:
                yield process
            finally:
                feed.stop()

    async def publish(self, *facts: Fact, tenant: str = TENANT) -> None:
        """Facts of a tenant, in order."""
        for fact in facts:
            for value in encode_fact(fact):
                await self.log.append(topics.EVENTS, key=tenant.encode(), value=value)

    async def answer(self, *results: Result, tenant: str = TENANT) -> None:
        """Results for a tenant, in order."""
        for result in results:
            await self.log.append(topics.RESULTS, key=tenant.encode(), value=encode_result(result))

    async def beat(
        self,
        worker: str = "w",
        work_class: str = "tfhe",
        slots: int = 4,
        partitions: Iterable[int] = (0, 1),
        key_ids: Iterable[bytes] = KEY_IDS,
    ) -> None:
        """A worker's sign of life."""
        beat = WorkerHeartbeat(
            worker=worker,
            work_class=work_class,
            slots=slots,
            engine="clear",
            key_ids=tuple(key_ids),
            partitions=tuple(partitions),
            at_ms=self.clock.now_ms(),
        )
        await self.log.append(
            topics.CONTROL, key=f"worker/{worker}".encode(), value=msgspec.json.encode(beat)
        )

    async def beat_all(self, slots: int = 4) -> None:
        """One worker of each class that beats."""
        for work_class in ("tfhe", "zkproof", "sns"):
            await self.beat(f"w-{work_class}", work_class, slots, range(8))

    async def command(self, request: str, tenant: str = TENANT) -> None:
        """`control resume`."""
        control = TenantControl(tenant=tenant, action="resume", request=request)
        await self.log.append(
            topics.CONTROL, key=f"tenant/{tenant}".encode(), value=msgspec.json.encode(control)
        )

    def take_work(self, *classes: str) -> list[tuple[Record, Work]]:
        """Work that was published since the last call."""
        found: list[tuple[Record, Work]] = []
        for topic in (f"work.{name}.v1" for name in classes or ("tfhe", "zkproof", "sns", "sender")):
            for partition in range(WORK[topic]):
                records = self.log.records(topic, partition)[self._read[topic, partition] :]
                self._read[topic, partition] += len(records)
                found += [(record, decode_work(record.value or b"")) for record in records]
        return found

    async def work(self) -> int:
        """Answer everything that was published, honestly; gives how much that was."""
        taken = self.take_work()
        await self.answer_all(taken)
        return len(taken)

    async def answer_all(self, taken: Iterable[tuple[Record, Work]]) -> None:
        """Answer work that was taken, honestly."""
        for record, work in taken:
            await self.answer(*honest(work), tenant=work.tenant)
            assert record.value is not None

    def items(self, state: WorkState | None = None) -> list[WorkRow]:
        """Work items as they are stored."""
        rows = self.store.state.rows(WorkRow)
        return [row for row in rows if state is None or row.state is state]

    def next_off(self, topic: str = topics.EVENTS, shard: int | None = None) -> int:
        """Where a shard stands."""
        return self.store.tables.offsets[topic, self.shard if shard is None else shard].next_off


@dataclass
class Process:
    """One process of the graph service."""

    world: GraphWorld
    shards: Shards
    feed: MemoryFeed
    runtime: Runtime

    async def assign(self, shards: Iterable[int]) -> None:
        """Faust's assignment."""
        chosen = list(shards)
        await self.shards.assign(chosen)
        for shard in chosen:
            self.feed.start(shard)
        await let_run()

    async def settle(self) -> None:
        """Let everything run that can without time passing."""
        for _ in range(100):
            await let_run()
            if not self.shards.busy:
                break
        await let_run()

    async def live(self, rounds: int = 20) -> None:
        """Let workers answer and seconds pass until there is nothing left to do."""
        for _ in range(rounds):
            await self.settle()
            await self.world.clock.advance(1.1)
            await self.world.beat_all()
            await self.settle()
            if not await self.world.work():
                return
