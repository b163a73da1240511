"""Wires a worker: source, child, keys, heartbeat and loop, and takes them apart in the right order."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Final

import httpx
import msgspec
import structlog

from streams.adapters.kafka.log import KafkaLog
from streams.adapters.kafka.work_source import KafkaWorkSource
from streams.adapters.key_store import KeyStore as Downloads
from streams.adapters.key_store import key_directory
from streams.adapters.object_store.s3 import REQUESTS_MAX
from streams.adapters.telemetry.health import Health
from streams.domain.control import WorkerHeartbeat
from streams.domain.work import WorkClass
from streams.fhe.device_choice import GPU, OWN_WORDS, device_of
from streams.fhe.keyset import KeyStore, keys_of
from streams.fhe.visible_gpus import visible_gpus
from streams.messages import claim_check
from streams.messages.topics import GROUPS, WORK
from streams.ports import Blobs, Record
from streams.services.first import first_of
from streams.services.runtime import Runtime
from streams.services.worker import bodies
from streams.services.worker.frames import Counts
from streams.services.worker.guard import Guard, guard_of
from streams.services.worker.heartbeat import Heartbeat, with_room
from streams.services.worker.jobs import known_engine
from streams.services.worker.keys import Keys
from streams.services.worker.loop import Executor, WorkerLoop
from streams.services.worker.material import Material
from streams.services.worker.metrics import WorkerMetrics, worker_metrics
from streams.services.worker.pool import OnState, Pool
from streams.services.worker.process import OnCounts
from streams.services.worker.results import Results
from streams.services.worker.silence import until_silent
from streams.settings import EngineSettings

# Carries ripple: most operations have one look-up at a time, and the kernel is at its best from 16 on. An
# item of the window takes longer for its neighbours; its timeout, ten times what it takes alone with
# `tfhe-rs`, has room for that.
WINDOW_PER_THREAD: Final = 8
# Of a child that computes on GPUs, above its bound: CUDA's own memory, and the ciphertexts of more items.
GPU_MEMORY_BYTES: Final = 10 << 30
_ABANDON_S: Final = 0.1  # for a source whose items were cancelled
_HTTP_TIMEOUT_S: Final = 30.0
_CPU: Final = "cpu"

_log = structlog.get_logger(__name__)


class Kind(msgspec.Struct, frozen=True):
    """What tells the workers apart."""

    name: str  # tfhe | zkproof | sns
    memory_bytes_max: int  # of the child; the parent takes less than 100 MB
    threads_max: int = 64
    slots: int = 0  # items at a time; 0 = as many as its engine likes
    slots_per_gpu: int = 0  # where it computes on GPUs; 0 = no other number than elsewhere
    slots_max: int = 0  # where they follow threads or GPUs; 0 = no bound
    key_cache_size: int = 0  # key sets open at a time; 0 = as [engine] says
    has_devices: bool = False  # what it computes may run elsewhere than on the processor
    on_cpu: frozenset[str] = frozenset()  # devices that leave its work to the processor
    has_window: bool = False  # its items are batched together
    requests_max: int = REQUESTS_MAX  # of the object store at a time
    child_flags: tuple[str, ...] = ()
    needs_crs: bool = False
    writes_objects: bool = False

    @property
    def topic(self) -> str:
        return WORK[WorkClass(self.name)]

    @property
    def group(self) -> str:
        return GROUPS[WorkClass(self.name)]


Beside = Callable[[], Coroutine[None, None, None]]


@dataclass(frozen=True)
class Tools:
    """What an executor is made of."""

    pool: Pool
    keys: Keys
    guard: Guard
    worker: str
    blobs: Blobs
    runtime: Runtime
    beside: list[Beside] = field(default_factory=list[Beside])  # what the executor has run beside the loop


MakeExecutor = Callable[[Tools], Executor]


async def run_worker(runtime: Runtime, kind: Kind, make_executor: MakeExecutor) -> None:
    """Life of a worker process: until it is told to stop and has finished what it holds.

    Raises: ConfigurationError, DeviceMissing.
    """
    check_engine(runtime.settings.engine, kind)
    async with (
        _connected(runtime) as log,
        bodies.opened(
            runtime.settings.object_store,
            runtime.clock,
            writes=kind.writes_objects,
            requests_max=kind.requests_max,
        ) as blobs,
        httpx.AsyncClient(timeout=_HTTP_TIMEOUT_S) as http,
    ):
        await _Worker(runtime, kind, make_executor, log, blobs, http).run()


def threads_of(engine: EngineSettings, cores: int, threads_max: int) -> int:
    """Threads of a worker's child; most workers have as many items in hand."""
    return min(engine.workers or min(engine.coprocessor_fhe_threads, cores), threads_max)


def slots_of(kind: Kind, engine: EngineSettings, threads: int) -> int:
    """Items that a worker with so many threads has in hand."""
    has_window = kind.has_window and engine.name == "wave"
    if has_window and engine.window:
        return engine.window
    if kind.slots_per_gpu and _is_on_gpu(kind, engine):
        slots = kind.slots_per_gpu * visible_gpus()
        return min(slots, kind.slots_max or slots)
    if kind.slots:
        return kind.slots
    if has_window:
        return WINDOW_PER_THREAD * threads
    return min(threads, kind.slots_max or threads)


def crowd_of(kind: Kind, engine: EngineSettings, threads: int) -> float:
    """Items that share a thread of a worker with so many when it has all of them in hand."""
    # Each GPU has items of its own: what one waits for does not grow with the number of GPUs. Where one is
    # out of service, the others' items wait longer, for which a timeout of ten times the cost has room.
    gpus = visible_gpus() if _is_on_gpu(kind, engine) else 1
    return slots_of(kind, engine, threads) / (threads * gpus)


def child_command(kind: Kind, engine: EngineSettings, threads: int) -> tuple[str, ...]:
    """How a worker's child is started, but for what its parent adds."""
    return (
        *(sys.executable, "-m", "streams.services.worker.child"),
        *("--kind", kind.name, "--engine", engine.name, *_device(kind, engine)),
        *("--threads", str(threads), "--slots", str(slots_of(kind, engine, threads))),
        *("--memory-bytes", str(memory_of(kind, engine))),
        *("--key-cache-size", str(kind.key_cache_size or engine.key_cache_size)),
        *("--known-answer-every", str(engine.known_answer_every)),
        *kind.child_flags,
    )


def memory_of(kind: Kind, engine: EngineSettings) -> int:
    """Bytes that a worker's child may take."""
    room = GPU_MEMORY_BYTES if _is_on_gpu(kind, engine) else 0
    return engine.memory_mib << 20 or kind.memory_bytes_max + room


def counting(metrics: WorkerMetrics, health: Health) -> OnCounts:
    """Takes what a child counted; a device that lied makes the worker unhealthy for as long as it lives."""

    def count(came: Counts) -> None:
        metrics.count(came)
        if came.suites.devices_lost:
            health.set("devices", False, "a device answered wrongly and is out of service")

    return count


def _device(kind: Kind, engine: EngineSettings) -> tuple[str, ...]:
    if not kind.has_devices:
        return ()
    device = device_of(known_engine(engine.name), engine.device, gpu_enabled=engine.gpu_enabled)
    return "--device", _CPU if device in kind.on_cpu else device


def _is_on_gpu(kind: Kind, engine: EngineSettings) -> bool:
    return GPU in _device(kind, engine)


def check_engine(engine: EngineSettings, kind: Kind) -> None:
    """Refuse a device that is not there, before any connection; raises ConfigurationError, DeviceMissing."""
    name, device = known_engine(engine.name), _device(kind, engine)
    if device:
        _log.info("device chosen", action="device", engine=name, device=device[-1])
    if OWN_WORDS.intersection(device):
        # Right values in words that no other operator computes: a digest of them finds no agreement.
        _log.warning("other words than those of cpu, in every process", action="own_words", device=device[-1])
        # Here, because it takes NumPy, which a worker itself has no use for.
        from streams.fhe.devices.concrete_runtime import installed

        installed()


class _Worker:
    def __init__(
        self,
        runtime: Runtime,
        kind: Kind,
        make_executor: MakeExecutor,
        log: KafkaLog,
        blobs: Blobs,
        http: httpx.AsyncClient,
    ) -> None:
        settings = runtime.settings
        self._runtime = runtime
        self._kind = kind
        self._log = log
        self._blobs = blobs
        self._metrics = worker_metrics(runtime.metrics, kind.name)
        self._id = settings.service.id or f"{kind.name}-{socket.gethostname()}-{os.getpid()}"
        self._threads = threads_of(settings.engine, os.cpu_count() or 1, kind.threads_max)
        self._slots = slots_of(kind, settings.engine, self._threads)
        self._pool = self._make_pool()
        self._keys = self._make_keys(http)
        tools = Tools(self._pool, self._keys, guard_of(settings), self._id, blobs, runtime)
        executor = make_executor(tools)
        self._beside = tuple(tools.beside)
        self._source = KafkaWorkSource(
            settings.kafka, kind.topic, kind.group, self._slots, on_state=self._state("work_topic")
        )
        self._heartbeat = Heartbeat(log, runtime.clock, self._describe, self._state("kafka"))
        self._loop = self._make_loop(executor)

    def _make_pool(self) -> Pool:
        engine = self._runtime.settings.engine
        return Pool(
            child_command(self._kind, engine, self._threads),
            self._runtime.clock,
            memory_bytes_max=memory_of(self._kind, engine),
            crowd=crowd_of(self._kind, engine, self._threads),
            on_state=self._child_state(self._metrics),
            on_counts=counting(self._metrics, self._runtime.health),
        )

    def _make_keys(self, http: httpx.AsyncClient) -> Keys:
        settings = self._runtime.settings
        root = key_directory(settings.keys)
        return Keys(
            self._log,
            Material(Downloads(root, http, settings.keys.url), KeyStore(root), self._kind.name),
            self._pool,
            self._runtime.clock,
            engine=keys_of(known_engine(settings.engine.name)),
            needs_crs=self._kind.needs_crs,
            on_state=self._state("keys"),
        )

    def _make_loop(self, executor: Executor) -> WorkerLoop:
        clock = self._runtime.clock
        tracing = self._runtime.tracing
        results = Results(self._log, clock, self._id, tracing)
        return WorkerLoop(
            self._source,
            self._open_body,
            executor,
            results,
            clock,
            self._metrics,
            self._id,
            self._pool.limit_s,
            tracing,
        )

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                beside = [
                    group.create_task(self._pool.run()),
                    group.create_task(self._keys.run()),
                    group.create_task(self._heartbeat.run()),
                    group.create_task(self._stop_source()),
                    *(group.create_task(run()) for run in self._beside),
                ]
                await self._until_usable()
                # joins the group; ends when the source is stopped and everything in hand is answered
                working = group.create_task(self._loop.run())
                beside.append(group.create_task(self._leave_to_others(working)))
                await asyncio.wait((working,))
                # only now: until the last result the child, its keys and the heartbeat are needed
                for task in beside:
                    task.cancel()
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ABANDON_S):
                    await self._source.stop()

    async def _until_usable(self) -> None:
        """A worker that has no key yet, or dies of it again and again, costs the others no rebalance."""
        await first_of(self._keys.usable(), self._runtime.stopping.wait())

    async def _stop_source(self) -> None:
        await self._runtime.stopping.wait()
        await self._source.stop()

    async def _leave_to_others(self, working: asyncio.Task[None]) -> None:
        # Nothing is lost: an item's offset goes with its last result only, so the group gives the item to
        # another member, and the graph sends it again when this worker is dead.
        await self._runtime.stopping.wait()
        await until_silent(self._log, self._runtime.clock)
        _log.warning("the broker is away, items are left to others", action="items_left")
        working.cancel()

    async def _open_body(self, record: Record) -> bytes:
        return await claim_check.open(self._blobs, record)

    def _describe(self, at_ms: int) -> WorkerHeartbeat:
        beat = WorkerHeartbeat(
            worker=self._id,
            work_class=self._kind.name,
            slots=self._slots,
            engine=self._runtime.settings.engine.name,
            key_ids=self._keys.key_ids,
            partitions=tuple(self._source.partitions()),
            at_ms=at_ms,
        )
        return with_room(beat, is_ending=self._runtime.stopping.is_set())

    def _state(self, dependency: str) -> OnState:
        return lambda is_ok, detail: self._runtime.health.set(dependency, is_ok, detail)

    def _child_state(self, metrics: WorkerMetrics) -> OnState:
        def tell(is_ok: bool, detail: str) -> None:
            self._runtime.health.set("engine", is_ok, detail)
            if not is_ok:
                metrics.child_deaths.inc()

        return tell


@contextlib.asynccontextmanager
async def _connected(runtime: Runtime) -> AsyncGenerator[KafkaLog]:
    log = KafkaLog(runtime.settings.kafka)
    try:
        yield log
    finally:
        await log.close()
