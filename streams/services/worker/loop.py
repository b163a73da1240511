"""The loop of a worker: an offset goes only when everything found out about its item is acknowledged."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import msgspec
import structlog
from structlog.contextvars import bound_contextvars

from streams.adapters.telemetry.tracing import OFF, Tracing
from streams.domain.errors import BlobError, CipherstreamError, Fatal, Undecodable, WorkerCrashed
from streams.domain.results import Failed, Result, Started
from streams.domain.work import Work as WorkMessage
from streams.domain.work import decode_work
from streams.ports import Clock, Record, Work, WorkSource
from streams.services.crashpoints import crashpoint
from streams.services.worker.envelope import trace_of
from streams.services.worker.metrics import LoopMetrics
from streams.services.worker.results import Results
from streams.services.worker.spans import work_span

_log = structlog.get_logger(__name__)

_BLOB_RETRIES_S: Final = (0.2, 1.0, 4.0)  # then the item's own deadline sends it again
_MESSAGE_CHARS_MAX: Final = 2000

Emit = Callable[[Result], Awaitable[None]]
OpenBody = Callable[[Record], Awaitable[bytes]]
Limit = Callable[[float], float]  # of an item here, from the seconds that its message gives it


class Executor(Protocol):
    """What one class of worker does with an item."""

    async def execute(self, work: WorkMessage, emit: Emit) -> None:
        """Publish all results but Started and Failed; raises CipherstreamError."""
        ...


class _Known(msgspec.Struct):
    """What must be readable of an item to say that it failed."""

    item: str
    tenant: str
    attempt: int


class WorkerLoop:
    """Takes items from a source until it is stopped; raises the first Fatal as it is."""

    def __init__(
        self,
        source: WorkSource,
        open_body: OpenBody,
        executor: Executor,
        results: Results,
        clock: Clock,
        metrics: LoopMetrics,
        worker: str,
        limit_s: Limit = float,
        tracing: Tracing = OFF,
    ) -> None:
        self._tracing = tracing
        self._limit_s = limit_s
        self._source = source
        self._open_body = open_body
        self._executor = executor
        self._results = results
        self._clock = clock
        self._metrics = metrics
        self._worker = worker

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            async for item in self._source.items():
                self._metrics.found.inc()
                # side by side: the source hands out as many as there are slots
                group.create_task(self._handle(item))

    async def _handle(self, item: Work) -> None:
        record = item.record
        place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        with (
            bound_contextvars(**place, trace_id=trace_of(record).trace_id),
            self._metrics.busy.track_inprogress(),
        ):
            await self._process(record)
        # Last: every result of the item is acknowledged. A crash before it brings the item again.
        item.done()

    async def _process(self, record: Record) -> None:
        body = b""
        try:
            body = await self._body(record)
            work = decode_work(body)
        except (Undecodable, BlobError) as error:
            await self._refuse(record, body, error)
            return
        with bound_contextvars(tenant=work.tenant, item=work.item, attempt=work.attempt):
            await self._answer(record, work)

    async def _body(self, record: Record) -> bytes:
        for delay_s in _BLOB_RETRIES_S:
            try:
                return await self._open_body(record)
            except BlobError as error:
                _log.warning("body is away", action="work_body_missing", error=str(error))
                await self._clock.sleep(delay_s)
        return await self._open_body(record)

    async def _refuse(self, record: Record, body: bytes, error: CipherstreamError) -> None:
        _log.error("unusable record", action="work_refused", error=str(error))
        self._metrics.errors.inc()
        # The letter first: with only the failure told, nobody could look at the record any more.
        await self._results.bury(record, error)
        known = _known(record, body)
        if known is not None and isinstance(error, Undecodable):
            failed = _failed(known.item, known.attempt, self._worker, error)
            await self._results.publish(record, known.tenant, failed)

    async def _answer(self, record: Record, work: WorkMessage) -> None:
        async def emit(result: Result) -> None:
            await self._results.publish(record, work.tenant, result)

        limit_ms = round(self._limit_s(work.timeout_s) * 1000)
        await emit(Started(item=work.item, attempt=work.attempt, worker=self._worker, timeout_ms=limit_ms))
        crashpoint("worker.started")
        try:
            with self._metrics.latency.time(), work_span(self._tracing, record, work, self._worker):
                await self._executor.execute(work, emit)
        # not the item's failure: the process ends, and the item comes to another worker
        except Fatal:
            raise
        except CipherstreamError as error:
            await emit(self._failure(work, error))
        except Exception as error:  # a defect of ours must not stop the other items
            _log.exception("defect", action="item_defect")
            await emit(self._failure(work, WorkerCrashed(f"{type(error).__name__}: {error}")))
        else:
            crashpoint("worker.executed")
            self._metrics.processed.inc()
            _log.info("item done", action="item_done")

    def _failure(self, work: WorkMessage, error: CipherstreamError) -> Failed:
        self._metrics.errors.inc()
        name = type(error).__name__
        _log.warning("item failed", action="item_failed", error=name, reason=str(error))
        return _failed(work.item, work.attempt, self._worker, error)


def _failed(item: str, attempt: int, worker: str, error: CipherstreamError) -> Failed:
    return Failed(
        item=item,
        attempt=attempt,
        worker=worker,
        category=error.category,
        error=type(error).__name__,
        message=str(error)[:_MESSAGE_CHARS_MAX],
    )


def _known(record: Record, body: bytes) -> _Known | None:
    try:
        return msgspec.json.decode(body, type=_Known)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
