"""Service `transaction-sender`: makes the calls to the gateway that work items ask for, each once."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncGenerator
from typing import Final

import structlog

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.rpc import RpcClient
from streams.adapters.ethereum.signer import load_signer
from streams.adapters.kafka.log import KafkaLog
from streams.adapters.kafka.work_source import KafkaWorkSource
from streams.adapters.postgres.sender_store import PostgresSenderStore, open_sender_store
from streams.domain.control import WorkerHeartbeat
from streams.domain.work import WorkClass
from streams.messages.topics import GROUPS, WORK
from streams.ports import Record
from streams.services.runtime import Runtime
from streams.services.sender.alarms import Alarms
from streams.services.sender.encode import Encoder
from streams.services.sender.metrics import SenderMetrics, loop_metrics
from streams.services.sender.outside import Outside
from streams.services.sender.steps import Sender
from streams.services.worker.heartbeat import Heartbeat
from streams.services.worker.loop import WorkerLoop
from streams.services.worker.results import Results

SENDER_VARIABLE: Final = "CIPHERSTREAM_SENDER__PRIVATE_KEY"
SIGNER_VARIABLE: Final = "CIPHERSTREAM_SIGNER__PRIVATE_KEY"
# An item is ours until it ends: the topic keeps it, and a member of the group that dies loses none. So the
# graph does not take it back while a gateway is away.
HOLD_S: Final = 2 * 3600.0
_ABANDON_S: Final = 0.1  # for a source whose items were cancelled
_AWAIT_S: Final = 1.0
_log = structlog.get_logger(__name__)


async def run(runtime: Runtime) -> None:
    """Make calls until told to stop; raises ConfigurationError, ForeignRelease."""
    settings = runtime.settings
    # Two keys: one pays and sends, the other signs votes; a leak of one is not a leak of both.
    key = load_signer(settings.sender, SENDER_VARIABLE)
    encoder = Encoder(settings.gateway, load_signer(settings.signer, SIGNER_VARIABLE))
    async with (
        _broker(runtime) as log,
        _table(runtime) as store,
        RpcClient(settings.gateway.http_url) as rpc,
    ):
        node = EthereumChain(rpc)
        outside = Outside(node, store, settings.gateway, runtime.health)
        # Nothing is taken from the topic before node and database were there once, so that a start in bad
        # weather holds no items.
        while not await outside.look():
            if await runtime.idle(_AWAIT_S):
                return
        worker = settings.service.id or f"sender-{socket.gethostname()}-{os.getpid()}"
        metrics = SenderMetrics(runtime.metrics, runtime.clock)
        alarms = Alarms(runtime.health, runtime.metrics)
        sender = Sender(store, node, key, encoder, settings, runtime.clock, metrics, alarms, worker)
        _log.info("sender is ready", action="sender_ready", address=f"0x{key.address.hex()}")
        await _work(runtime, log, sender, worker, outside)


async def _work(runtime: Runtime, log: KafkaLog, sender: Sender, worker: str, outside: Outside) -> None:
    settings, clock = runtime.settings, runtime.clock
    source = KafkaWorkSource(
        settings.kafka,
        WORK[WorkClass.SENDER],
        GROUPS[WorkClass.SENDER],
        settings.sender.calls_max,
        on_state=lambda ok, why: runtime.health.set("work_topic", ok, why),
    )

    def describe(at_ms: int) -> WorkerHeartbeat:
        return WorkerHeartbeat(
            worker=worker,
            work_class=WorkClass.SENDER,
            slots=settings.sender.calls_max,
            engine=settings.engine.name,
            key_ids=(),
            partitions=tuple(source.partitions()),
            at_ms=at_ms,
        )

    heartbeat = Heartbeat(log, clock, describe, lambda ok, why: runtime.health.set("kafka", ok, why))
    results = Results(log, clock, worker, runtime.tracing)
    counted = loop_metrics(runtime.metrics)
    loop = WorkerLoop(
        source, _inline, sender, results, clock, counted, worker, lambda _: HOLD_S, tracing=runtime.tracing
    )
    try:
        async with asyncio.TaskGroup() as group:
            working = group.create_task(loop.run())
            stopped = _stop(runtime, source, working)
            others = (heartbeat.run(), outside.watch(clock), sender.look_after(), stopped)
            beside = [group.create_task(other) for other in others]
            await asyncio.wait((working,))
            # the loop has ended: whatever is left only watched or announced it
            for task in beside:
                task.cancel()
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ABANDON_S):
                await source.stop()


async def _stop(runtime: Runtime, source: KafkaWorkSource, working: asyncio.Task[None]) -> None:
    """Finish what is under way, but not at any price: a call that is left comes again, signed or not."""
    await runtime.stopping.wait()
    try:
        async with asyncio.timeout(runtime.settings.sender.drain_s):
            await source.stop()
    except TimeoutError:
        _log.warning("calls are left for the next start", action="calls_left")
        working.cancel()


@contextlib.asynccontextmanager
async def _broker(runtime: Runtime) -> AsyncGenerator[KafkaLog]:
    log = KafkaLog(runtime.settings.kafka)
    try:
        yield log
    finally:
        await log.close()


@contextlib.asynccontextmanager
async def _table(runtime: Runtime) -> AsyncGenerator[PostgresSenderStore]:
    store = await open_sender_store(runtime.settings.sender_postgres())
    try:
        yield store
    finally:
        await store.close()


async def _inline(record: Record) -> bytes:
    return record.value or b""
