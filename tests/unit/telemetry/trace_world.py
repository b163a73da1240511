"""A block from the listener to the gateway on memory twins, each service with a tracing of its own."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

from unit.domain.worlds import ACL, CHAIN, KEY, Logs, h

from streams.adapters.ethereum.signer import Signer
from streams.adapters.memory.blobs import MemoryBlobs
from streams.adapters.memory.sender_store import MemorySenderStore, SenderTable
from streams.adapters.memory.work_source import MemoryWorkSource
from streams.adapters.telemetry.health import Health
from streams.adapters.telemetry.metrics import Metrics
from streams.adapters.telemetry.tracing import Tracing
from streams.domain.attestation import Format
from streams.domain.control import KeySetAnnouncement
from streams.domain.lifecycle import WorkState
from streams.domain.rows import WorkRow
from streams.domain.work import Work
from streams.messages import topics
from streams.services.listener.host import HostFollower, tenant_of
from streams.services.listener.key_facts import announce
from streams.services.sender.alarms import Alarms
from streams.services.sender.encode import Encoder
from streams.services.sender.metrics import SenderMetrics, loop_metrics
from streams.services.sender.steps import Sender
from streams.services.worker import frames
from streams.services.worker.backlog import Backlog
from streams.services.worker.guard import Guard
from streams.services.worker.loop import Emit, Executor, WorkerLoop
from streams.services.worker.metrics import LoopMetrics, upload_metrics, worker_metrics
from streams.services.worker.results import Results
from streams.services.worker.squash import Parts, SquashExecutor
from streams.services.worker.uploads import Buckets, Uploads
from streams.settings import GatewaySettings, HostChainSettings, Settings
from tests.unit.graph.graph_world import TENANT, GraphWorld, honest
from tests.unit.listener.fake_chain import FakeChain
from tests.unit.sender.fake_gateway import FakeGateway

SERVICES = ("host-listener", "graph", "tfhe-worker", "sns-worker", "transaction-sender")
HANDLE = h("x")
TracingOf = Callable[[str], Tracing]


class HonestCompute:
    """What a tfhe-worker answers."""

    async def execute(self, work: Work, emit: Emit) -> None:
        for result in honest(work, "tfhe"):
            await emit(result)


class SquashingChild:
    async def execute(self, work: frames.ChildWork, on_output: object) -> frames.Final_:
        return frames.Squashing(1, b"squashed", Format.COMPRESSED_ON_CPU)


class KeysAreThere:
    async def wait(self, ident: bytes) -> None: ...


class TraceWorld:
    """All services over one log; `metrics` are those of each."""

    def __init__(self, tracing_of: TracingOf) -> None:
        self.graph = GraphWorld(tracing=tracing_of("graph"))
        self.metrics = {name: Metrics() for name in SERVICES}
        self.chain = FakeChain(length=1)
        self._tracing_of = tracing_of
        self.blobs = MemoryBlobs()
        host = HostChainSettings(
            id=CHAIN,
            http_url="http://unused",
            acl_address=f"0x{ACL.hex()}",
            executor_address="0x" + "01" * 20,
        )
        assert tenant_of(host) == TENANT
        self.listener = HostFollower(
            self.chain,
            self.graph.log,
            host,
            self.graph.clock,
            self.metrics["host-listener"],
            tracing_of("host-listener"),
        )

    async def run(self) -> None:
        """Mine a block with a handle that is allowed, and wait until its digests are on the gateway."""
        announcement = KeySetAnnouncement(
            key_id=KEY.key_id, digest=KEY.digest, engine="clear", release=KEY.release, urls=()
        )
        await announce(self.graph.log, announcement)
        self.chain.mine(1, Logs().trivial(HANDLE, 1).allow(HANDLE).done())
        while await self.listener.step():
            pass
        async with (
            self.graph.process() as process,
            self._worker("tfhe", "tfhe-worker", HonestCompute()),
            self._worker("sns", "sns-worker", self._squasher()),
            self._worker("sender", "transaction-sender", self._sender()),
        ):
            while not self._is_committed():
                await self.graph.beat_all()
                await process.settle()
                await self.graph.clock.advance(1.1)
            await process.settle()

    def _is_committed(self) -> bool:
        rows = self.graph.store.state.rows(WorkRow)
        return any(row.kind == "add_material" and row.state is WorkState.DONE for row in rows)

    def _squasher(self) -> SquashExecutor:
        uploads = Uploads(self.blobs, Buckets("b", "b"), upload_metrics(self.metrics["sns-worker"]))
        signer, guard = Signer(bytes(31) + b"\1"), Guard("clear", [CHAIN], [CHAIN])
        parts = Parts(SquashingChild(), KeysAreThere(), guard, uploads, signer, Backlog())  # type: ignore[arg-type]
        return SquashExecutor(parts, "sns")

    def _sender(self) -> Sender:
        table = SenderTable()
        gateway_settings = GatewaySettings(
            confirmations=0,
            input_verification_address="0x" + "aa" * 20,
            ciphertext_commits_address="0x" + "bb" * 20,
        )
        settings = Settings(gateway=gateway_settings)
        key, votes = Signer(bytes(31) + b"\2"), Signer(bytes(31) + b"\3")
        metrics = SenderMetrics(self.metrics["transaction-sender"], self.graph.clock)
        store, gateway = MemorySenderStore(table), FakeGateway(table)
        return Sender(
            store,
            gateway,
            key,
            Encoder(gateway_settings, votes),
            settings,
            self.graph.clock,
            metrics,
            Alarms(Health(), self.metrics["transaction-sender"]),
            "sender",
        )

    def _counted(self, kind: str, service: str) -> LoopMetrics:
        metrics = self.metrics[service]
        return loop_metrics(metrics) if kind == "sender" else worker_metrics(metrics, kind)

    @contextlib.asynccontextmanager
    async def _worker(self, kind: str, service: str, executor: Executor) -> AsyncGenerator[None]:
        log, clock, tracing = self.graph.log, self.graph.clock, self._tracing_of(service)
        source = MemoryWorkSource(log, f"work.{kind}.v1", 4, range(8))
        results = Results(log, clock, kind, tracing)

        async def body(record: object) -> bytes:
            return record.value or b""  # type: ignore[attr-defined]

        counted = self._counted(kind, service)
        loop = WorkerLoop(source, body, executor, results, clock, counted, kind, tracing=tracing)
        running = asyncio.create_task(loop.run())
        try:
            yield
        finally:
            await source.stop()
            await running

    def published(self) -> list[tuple[object, ...]]:
        """All records of all topics, without the order among partitions."""
        log = self.graph.log
        names = (topics.EVENTS, topics.RESULTS, topics.CIPHERTEXTS, *topics.WORK.values())
        counts = {topics.EVENTS: 4, topics.RESULTS: 4, topics.CIPHERTEXTS: 2}
        return [
            (name, record.partition, record.offset, record.key, record.value, record.headers)
            for name in names
            for partition in range(counts.get(name, 8))
            for record in log.records(name, partition)
        ]
