"""The loop of a worker: an offset goes only when everything found out about its item is acknowledged."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final, Protocol

import msgspec
import structlog
from structlog.contextvars import bound_contextvars

from streams.adapters.telemetry.tracing import OFF, Tracing
from streams.domain.errors import BlobError, CipherstreamError, Fatal, Undecodable, WorkerCrashed
from streams.domain.results import Failed, Result, Started
from streams.domain.work import ComputeWork, SquashWork, decode_work
from streams.domain.work import Work as WorkMessage
from streams.ports import Clock, Record, Work, WorkSource
from streams.services.crashpoints import crashpoint
from streams.services.worker.answered import Answered
from streams.services.worker.envelope import trace_of
from streams.services.worker.metrics import LoopMetrics
from streams.services.worker.results import Results
from streams.services.worker.spans import work_span
from streams.services.worker.starvation import STRETCH_MAX

_log = structlog.get_logger(__name__)

_BLOB_RETRIES_S: Final = (0.2, 1.0, 4.0)  # then the item's own deadline sends it again
_MESSAGE_CHARS_MAX: Final = 2000
# Their answer is one of content alone. A call may be gone with a branch of the gateway, and a verdict is
# dropped with its request: when these are asked for again, it is meant.
_PURE: Final = (ComputeWork, SquashWork)
_REMINDER_S_MIN: Final = 60.0  # the shortest limit there is; the owner's deadline is half a minute later

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
        self._answered = Answered(clock)
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

        limit_s = self._limit_s(work.timeout_s)
        limit_ms = round(limit_s * 1000)
        started = Started(item=work.item, attempt=work.attempt, worker=self._worker, timeout_ms=limit_ms)
        await emit(started)
        crashpoint("worker.started")
        try:
            async with self._reminding(lambda: emit(started), max(limit_s, _REMINDER_S_MIN)):
                is_computed = await self._compute_once(record, work, emit)
        # not the item's failure: the process ends, and the item comes to another worker
        except Fatal:
            raise
        except CipherstreamError as error:
            await emit(self._failure(work, error))
        except Exception as error:  # a defect of ours must not stop the other items
            _log.exception("defect", action="item_defect")
            await emit(self._failure(work, WorkerCrashed(f"{type(error).__name__}: {error}")))
        else:
            self._note_end(is_computed)

    async def _compute_once(self, record: Record, work: WorkMessage, emit: Emit) -> bool:
        """False when an earlier attempt was answered here, which this one may have to wait for."""
        if not isinstance(work, _PURE):
            await self._compute(record, work, emit)
            return True
        async with self._answered.turn(work) as is_answered:
            if not is_answered:
                await self._compute(record, work, emit)
        return not is_answered

    async def _compute(self, record: Record, work: WorkMessage, emit: Emit) -> None:
        with self._metrics.latency.time(), work_span(self._tracing, record, work, self._worker):
            await self._executor.execute(work, emit)

    def _note_end(self, is_computed: bool) -> None:
        if not is_computed:
            if self._metrics.repeated is not None:
                self._metrics.repeated.inc()
            _log.info("item was answered before", action="item_repeated")
            return
        crashpoint("worker.executed")
        self._metrics.processed.inc()
        _log.info("item done", action="item_done")

    @contextlib.asynccontextmanager
    async def _reminding(self, remind: Callable[[], Awaitable[None]], every_s: float) -> AsyncGenerator[None]:
        # An item waits for its turn here, and on a crowded machine for a core: as long as it is in hand,
        # nobody else need compute it.
        reminder = asyncio.create_task(self._remind(remind, every_s))
        try:
            yield
        finally:
            reminder.cancel()
            # Not awaited itself: what ended it is not the item's end, nor is its cancellation ours.
            await asyncio.wait({reminder})
            if not reminder.cancelled() and (error := reminder.exception()) is not None:
                _log.error("defect", action="reminder_defect", exc_info=error)

    async def _remind(self, remind: Callable[[], Awaitable[None]], every_s: float) -> None:
        # No longer than a child may take: one that does not come up must not keep its items from others.
        for _ in range(STRETCH_MAX):
            await self._clock.sleep(every_s)
            try:
                await remind()
            except CipherstreamError as error:
                # the item's own results meet the same, and are not lost for it
                _log.warning("not said that it is in hand", action="reminder_lost", error=str(error))

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
