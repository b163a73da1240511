"""Everything of the graph service but Faust: store, broker, workers' view and the owners of shards."""

import asyncio
import contextlib
import gc
import os
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final, TypeVar

import structlog

from streams.adapters.kafka.log import KafkaLog
from streams.adapters.kafka.positions import KafkaPositions
from streams.adapters.object_store.s3 import S3Blobs
from streams.adapters.postgres import migrate
from streams.adapters.postgres.progress import Progress
from streams.adapters.postgres.store import PostgresStore
from streams.domain.control import Command
from streams.domain.decide import Rules
from streams.domain.drift import Limits
from streams.domain.errors import BrokerError, StoreError
from streams.domain.work import WorkClass
from streams.messages import topics
from streams.ports import Blobs, Log, Store
from streams.services import alarm_gauges, lag_gauges
from streams.services.beside import beside
from streams.services.graph.claims import Market
from streams.services.graph.findings import telling
from streams.services.graph.gauges import observer
from streams.services.graph.outgoing import sealing
from streams.services.graph.shards import CLOSE_S, Shards
from streams.services.graph.surroundings import Feed, Surroundings
from streams.services.graph.workers import WorkerView
from streams.services.lag import Sources
from streams.services.runtime import Runtime
from streams.settings import DEFAULT_SCHEDULE, GatewaySettings, unknown_schedule

_RETRY_S: Final = 1.0
# The messages of a block come 0.02 ms apart and go in one or two requests. More than 0.1 is a whole
# millisecond to the client library.
LINGER_MS: Final = 0.05
# A batch makes some 100,000 objects, hardly any in cycles; by default a third of its time went into looking.
_COLLECTOR: Final = (100_000, 20, 20)
# The producer's thread has a few lines of Python to run for each report; by default it waits 5 ms for them
# while rows are being encoded.
_SWITCH_S: Final = 0.0001

_log = structlog.get_logger(__name__)

T = TypeVar("T")


@contextlib.asynccontextmanager
async def running(runtime: Runtime, feed: Feed) -> AsyncGenerator[Shards]:
    """Owners, without shards at first; they are ended and connections closed with the context.

    Raises: ConfigurationError when the database lacks a migration.
    """
    settings = runtime.settings
    # What was imported lives as long as the process: the collector need not look at it again.
    gc.freeze()
    gc.set_threshold(*_COLLECTOR)
    sys.setswitchinterval(_SWITCH_S)
    async with contextlib.AsyncExitStack() as stack:
        store = await PostgresStore.open(settings.postgres)
        stack.push_async_callback(store.close)
        log = KafkaLog(settings.kafka, LINGER_MS)
        stack.push_async_callback(log.close)
        blobs = S3Blobs(settings.object_store, runtime.clock)
        stack.push_async_callback(blobs.close)
        # Waits for the database and not for the migration: a schema that is too old is Fatal, somebody has
        # to act.
        await _until_there(runtime, lambda: migrate.check(store.pool))
        progress = Progress(store.pool)
        sources = Sources(KafkaPositions(settings.kafka), log, progress, runtime.clock)
        lags = lag_gauges.watch(sources, runtime.metrics)
        alarms = alarm_gauges.watch(progress, runtime.metrics, runtime.clock)
        await stack.enter_async_context(beside(lags, alarms))
        yield await stack.enter_async_context(serving(runtime, feed, store, log, blobs))


@contextlib.asynccontextmanager
async def serving(
    runtime: Runtime, feed: Feed, store: Store, log: Log, blobs: Blobs
) -> AsyncGenerator[Shards]:
    """The same over any ports."""
    settings = runtime.settings
    _warn_of_schedule(unknown_schedule())
    counts = await _until_there(runtime, lambda: _partitions(log))
    address = settings.sender.address
    signer = bytes.fromhex(address.removeprefix("0x")) if address else b""

    # The view and the shards know each other; these names are bound before `shards` exists.
    def wake() -> None:
        shards.wake()

    def command(found: Command) -> None:
        shards.command(found)

    def changed() -> None:
        runtime.metrics.busy.set(shards.busy)

    workers = WorkerView(runtime.clock, wake, command)
    around = Surroundings(
        owner=settings.service.id or f"{socket.gethostname()}-{os.getpid()}",
        store=store,
        log=log,
        clock=runtime.clock,
        market=Market(workers, counts, settings.engine.schedule, signer),
        rules=Rules(
            sender_address=signer,
            repeats_rights=settings.gateway.multichain_acl_address is not None,
            limits=_limits(settings.gateway),
            chain_ops_max=settings.graph.dependent_ops_max_per_chain,
        ),
        feed=feed,
        graph=settings.graph,
        seal=sealing(blobs, settings.object_store.work()),
        health=runtime.health.set,
        observe=observer(runtime.metrics),
        tell=telling(runtime.metrics),
        tracing=runtime.tracing,
        changed=changed,
    )
    shards = Shards(around)
    endless = (workers.follow(log), workers.watch(log), shards.sweep_for_ever())
    background = [_told(asyncio.create_task(each), shards.fail) for each in endless]
    try:
        yield shards
    finally:
        # Before the owners: neither a beat nor a sweep must wake one that is about to end.
        for task in background:
            task.cancel()
        await shards.close()
        # A sweep may be in a query that is not answered: it is left to the end of its connections.
        ended, _ = await asyncio.wait(background, timeout=CLOSE_S)
        await asyncio.gather(*ended, return_exceptions=True)


def _told(endless: asyncio.Task[None], fail: Callable[[BaseException], None]) -> asyncio.Task[None]:
    """The task, whose end by anything but cancelling is told: a process that lacks it only looks well."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            fail(task.exception() or RuntimeError("a task in the background ended"))

    endless.add_done_callback(ended)
    return endless


def _warn_of_schedule(said: str | None) -> None:
    if said is not None:
        _log.warning(
            f"FHEVM_DF_SCHEDULE names no schedule: {DEFAULT_SCHEDULE} counts",
            action="schedule_unknown",
            value=said,
        )


def _limits(gateway: GatewaySettings) -> Limits:
    return Limits(
        no_consensus_s=gateway.drift_no_consensus_timeout_s, grace_s=gateway.drift_post_consensus_grace_s
    )


async def _partitions(log: Log) -> dict[str, int]:
    """Partitions per class; also makes the broker's counts known, which `partition_of` needs."""
    await log.partitions(topics.EVENTS)
    return {WorkClass(name): await log.partitions(topic) for name, topic in topics.WORK.items()}


async def _until_there(runtime: Runtime, attempt: Callable[[], Awaitable[T]]) -> T:
    """Wait for a database or a broker that is not there yet."""
    while True:
        try:
            return await attempt()
        except (StoreError, BrokerError) as error:
            name = "database" if isinstance(error, StoreError) else "kafka"
            runtime.health.set(name, False, str(error))
            _log.warning("waiting", action="wait_out", error=str(error))
            await runtime.clock.sleep(_RETRY_S)
