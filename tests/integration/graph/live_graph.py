"""The graph service as real processes on the real broker and database, with honest workers in the test."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from unit.domain import worlds
from unit.graph.graph_world import honest

from streams.adapters.kafka.log import KafkaLog
from streams.adapters.postgres.rows import as_row
from streams.adapters.postgres.store import PostgresStore
from streams.adapters.system import SystemClock
from streams.domain.control import TenantControl, WorkerHeartbeat
from streams.domain.facts import Fact, encode_fact
from streams.domain.results import encode_result
from streams.domain.rows import TABLES, WorkRow
from streams.domain.state import State
from streams.domain.work import decode_work
from streams.messages import topics
from streams.services import crashpoints
from streams.services.runtime import STATE_VARIABLE
from streams.services.worker.heartbeat import Heartbeat

SHARDS = 4
TENANT = worlds.TENANT
CLASSES = ("tfhe", "zkproof", "sns")
UNTIL_S = 90.0  # a failing test ends; a passing one never waits that long
_LOOK_S = 0.05
_TAIL = 8_000  # characters: the stacks of all threads, when a signal ended it


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for a condition of another process."""
    try:
        async with asyncio.timeout(UNTIL_S):
            while True:
                if await condition():
                    return
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        raise AssertionError(f"not in {UNTIL_S} s: {what}") from None


@dataclass
class Child:
    """One process of the service."""

    process: asyncio.subprocess.Process
    log: Path
    crashed: Path  # exists when it has sent itself its signal

    async def ended(self) -> int:
        async with asyncio.timeout(UNTIL_S):
            return await self.process.wait()

    async def must_end(self, code: int) -> None:
        """Wait for its end; another code than this shows what it wrote last."""
        ended = await self.ended()
        tail = self.log.read_text(errors="replace")[-_TAIL:]
        assert ended == code, f"ended with {ended}, and wrote last:\n{tail}"

    async def stop(self) -> None:
        self.process.terminate()
        await self.must_end(0)

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await self.ended()


@dataclass
class LiveGraph:
    """A deployment: topics, schema, settings file; processes are started on demand."""

    config: Path
    store: PostgresStore
    broker: KafkaLog
    children: list[Child] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)  # messages per item
    answering: asyncio.Event = field(default_factory=asyncio.Event)  # cleared: workers keep what they have

    def __post_init__(self) -> None:
        self.answering.set()

    async def start(
        self, crash_at: str = "", argv: tuple[str, ...] = (), crash: signal.Signals = signal.SIGKILL
    ) -> Child:
        """Start a process and give it back at once; it sends itself the signal at a point, once."""
        folder = self.config.parent
        number = len(self.children)
        environment = self.environment() | {
            crashpoints.POINT_VARIABLE: crash_at,
            crashpoints.MARKER_VARIABLE: str(folder / f"crashed-{number}"),
            crashpoints.SIGNAL_VARIABLE: crash.name,
            STATE_VARIABLE: str(folder),
        }
        log = folder / f"graph-{number}.log"
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *(argv or ("-m", "streams.cli", "run", "graph")),
                env=environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.children.append(Child(process, log, folder / f"crashed-{number}"))
        return self.children[-1]

    def environment(self) -> dict[str, str]:
        """Variables of a process of this deployment."""
        return {
            **os.environ,
            "CIPHERSTREAM_CONFIG": str(self.config),
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "AWS_SECRET_ACCESS_KEY": "unused",
        }

    async def close(self) -> None:
        for child in self.children:
            if child.process.returncode is None:
                await child.kill()

    def shard(self, tenant: str = TENANT) -> int:
        return self.broker.partition_of(topics.EVENTS, tenant.encode())

    async def publish(self, *facts: Fact, tenant: str = TENANT) -> None:
        for fact in facts:
            for value in encode_fact(fact):
                await self.broker.append(topics.EVENTS, key=tenant.encode(), value=value)

    async def resume(self, request: str, tenant: str = TENANT) -> None:
        value = msgspec.json.encode(TenantControl(tenant=tenant, action="resume", request=request))
        await self.broker.append(topics.CONTROL, key=f"tenant/{tenant}".encode(), value=value)

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        return await self.store.pool.fetch(query, *arguments)

    async def owners(self) -> dict[int, tuple[int, str]]:
        rows = await self.fetch("select shard, epoch, owner from shard_owner")
        return {row["shard"]: (row["epoch"], row["owner"]) for row in rows}

    async def until_owned(self, *children: Child) -> None:
        """Wait until these processes own all shards between them."""
        pids = {str(child.process.pid) for child in children}

        async def is_owned() -> bool:
            owners = await self.owners()
            last = {owner.rsplit("-", 1)[-1] for _, owner in owners.values()}
            return len(owners) == SHARDS and last == pids

        await until(is_owned, f"all shards owned by {pids}")

    async def until_served(self, child: Child) -> None:
        """Wait until this process has done all that follows a claim, for all shards."""

        async def is_served() -> bool:
            return child.log.read_bytes().count(b'"action": "shard_claimed"') >= SHARDS

        await until(is_served, "all shards claimed and read")

    async def applied(self, tenant: str = TENANT) -> int:
        """The offset of events.v1 at which the tenant's shard stands."""
        rows = await self.fetch(
            "select next_off from consumer_offset where topic = $1 and part = $2",
            topics.EVENTS, self.shard(tenant),
        )  # fmt: skip
        return rows[0]["next_off"] if rows else 0

    async def until_applied(self, offset: int, tenant: str = TENANT) -> None:
        """Wait until the tenant's shard stands at this offset of events.v1."""

        async def is_applied() -> bool:
            return await self.applied(tenant) >= offset

        await until(is_applied, f"event {offset} of {tenant} applied")

    async def until_done(self, *more: Fact) -> None:
        """Wait until the tenant has all its items and each is done: credits are zero then."""
        items = len(expected(*more).rows(WorkRow))

        async def is_done() -> bool:
            found = await self.fetch(
                "select state, count(*) as n from work_items where tenant = $1 group by state", TENANT
            )
            return {row["state"]: row["n"] for row in found} == {"done": items}

        await until(is_done, f"{items} items done")

    async def check_whole(self, *more: Fact) -> None:
        """The tables are those of an undisturbed run, nothing is in flight, offsets are at the ends."""
        assert worlds.settled(await self.state(TENANT)) == worlds.settled(expected(*more))
        for row in await self.fetch("select topic, part, next_off from consumer_offset"):
            assert (await self.broker.bounds(row["topic"], row["part"]))[1] == row["next_off"]

    async def state(self, tenant: str) -> State:
        """A tenant's tables as a working set."""
        state = State(complete=True)
        for table in TABLES:
            for record in await self.fetch(f"select * from {table.TABLE} where tenant = $1", tenant):
                state.put(as_row(table, record))
        return state

    async def work_for_ever(self) -> None:
        """One honest worker per class and a sender."""
        reading = [
            self._serve(topics.WORK[name], partition)
            for name in topics.WORK
            for partition in range(await self.broker.partitions(topics.WORK[name]))
        ]
        async with asyncio.TaskGroup() as group:
            for work_class in CLASSES:
                group.create_task(self._beat(work_class))
            for task in reading:
                group.create_task(task)

    async def _beat(self, work_class: str) -> None:
        count = await self.broker.partitions(f"work.{work_class}.v1")

        def describe(at_ms: int) -> WorkerHeartbeat:
            return WorkerHeartbeat(
                worker=f"w-{work_class}",
                work_class=work_class,
                slots=4,
                engine="clear",
                key_ids=(worlds.KEY.key_id,),
                partitions=tuple(range(count)),
                at_ms=at_ms,
            )

        await Heartbeat(self.broker, SystemClock(), describe).run()

    async def _serve(self, topic: str, partition: int) -> None:
        async for record in self.broker.read(topic, partition, 0):
            work = decode_work(record.value or b"")
            self.seen[work.item] += 1
            await self.answering.wait()
            for result in honest(work):
                value = encode_result(result)
                await self.broker.append(topics.RESULTS, key=work.tenant.encode(), value=value)


def facts() -> list[Fact]:
    """Keys, two blocks of operations, an input with a proof."""
    h, block = worlds.h, worlds.block
    first = worlds.Logs().trivial(h("a"), 5).trivial(h("b"), 7).add(h("a"), h("b"), h("c")).allow(h("c"))
    second = worlds.Logs().add(h("c"), 3, h("d")).allow(h("d"))
    return [
        block("0", 0, "-1", anchor=True),
        worlds.KEY,
        worlds.CRS,
        block("1", 1, "0", first),
        worlds.gateway(0, 2, worlds.request_log(1)),
        block("2", 2, "1", second),
    ]


def expected(*more: Fact) -> State:
    """The tables that these facts, what follows them, and honest workers make."""
    state = worlds.run([*facts(), *more])
    worlds.settle(state)
    return state
