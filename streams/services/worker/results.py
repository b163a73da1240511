"""Publishes what a worker found out; nothing is given up, because an offset waits for it."""

from typing import Final

import structlog

from streams.adapters.telemetry.tracing import OFF, Tracing
from streams.domain.errors import BrokerError
from streams.domain.results import Result, encode_result
from streams.messages.dead_letter import dead_letter, failure_of, shortened
from streams.messages.topics import DLQ, RESULTS
from streams.ports import Clock, Headers, Log, Record
from streams.services.worker.envelope import result_headers
from streams.services.worker.spans import result_span

_BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)  # then the last one for ever

_log = structlog.get_logger(__name__)


class Results:
    """Where results and dead letters of one worker go."""

    def __init__(self, log: Log, clock: Clock, worker: str, tracing: Tracing = OFF) -> None:
        self._tracing = tracing
        self._to = log
        self._clock = clock
        self._worker = worker

    async def publish(self, record: Record, tenant: str, result: Result) -> None:
        """Append a result for the work in that record; returns when all replicas have it."""
        headers = result_headers(record, tenant, result)
        with result_span(self._tracing, record, tenant, result):
            await self._append(RESULTS, tenant.encode(), encode_result(result), headers)

    async def bury(self, record: Record, error: Exception) -> None:
        """Append a record that cannot be used to the dead letters, with its original bytes."""
        record = shortened(record)
        headers = dead_letter(record, failure_of(record, error, self._worker))
        await self._append(DLQ, record.key or b"", record.value or b"", headers)

    async def _append(self, topic: str, key: bytes, value: bytes, headers: Headers) -> None:
        tries = 0
        # For ever: without this record the item's offset cannot go, and the item would be computed again
        # elsewhere.
        while True:
            try:
                await self._to.append(topic, key=key, value=value, headers=headers)
                return
            except BrokerError as error:
                _log.warning("append failed", action="result_append_failed", to=topic, error=str(error))
                await self._clock.sleep(_BACKOFF_S[min(tries, len(_BACKOFF_S) - 1)])
                tries += 1
