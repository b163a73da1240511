"""Facts onto `events.v1`: in order, each acknowledged before the next, the first delivery error stops."""

import hashlib
from typing import Final

from streams.adapters.kafka.delivery import when_stored
from streams.adapters.telemetry.tracing import OFF, Tracing
from streams.domain import facts
from streams.messages import headers, subjects, trace
from streams.messages.topics import EVENTS
from streams.ports import Headers, Log
from streams.services.crashpoints import crashpoint

_AGAIN: Final[Headers] = ((headers.AGAIN, headers.text("true")),)


def bounded(log: facts.Log) -> facts.Log:
    """The log, without its data when they are too large for a fact."""
    if len(log.data) <= facts.LOG_DATA_BYTES_MAX:
        return log
    omitted = facts.OmittedData(sha256=hashlib.sha256(log.data).digest(), size_bytes=len(log.data))
    return facts.Log(
        address=log.address,
        topics=log.topics,
        data=b"",
        transaction_hash=log.transaction_hash,
        log_index=log.log_index,
        omitted=omitted,
    )


def event_headers(event_id: str, tenant: str | None, schema: str = subjects.EVENTS.schema) -> Headers:
    """Headers of a fact; identity and trace follow from the event, so that every listener writes the same."""
    traceparent = str(trace.new_trace(event_id))
    return headers.build(event_id=event_id, schema=schema, tenant=tenant, traceparent=traceparent)


class Publisher:
    """Appends the facts of one source; `name` is that of its crash points."""

    def __init__(self, log: Log, name: str, tracing: Tracing = OFF, *, is_again: bool = False) -> None:
        self.is_again = is_again  # whether what it appends says that it is told once more
        self._tracing = tracing
        self._log = log
        self._name = name

    async def publish(self, tenant: str, fact: facts.Fact, event_id: str) -> None:
        """Append a fact, in parts where it is large; raises BrokerError, then its fate is unknown."""
        records = facts.encode_fact(fact)
        described = event_headers(event_id, tenant) + (_AGAIN if self.is_again else ())
        about = {"tenant": tenant, "event.id": event_id, "messaging.destination.name": EVENTS}
        with self._tracing.span(type(fact).__name__, trace.new_trace(event_id), None, "producer", about):
            for index, record in enumerate(records):
                if index == 1:
                    crashpoint(f"{self._name}.between_parts")
                # each acknowledged before the next: an error stops here, with nothing behind it in the log
                await self._append(tenant, record, described)
        crashpoint(f"{self._name}.acknowledged")

    async def _append(self, tenant: str, record: bytes, described: Headers) -> None:
        with when_stored(lambda: crashpoint(f"{self._name}.produced")):
            await self._log.append(EVENTS, key=tenant.encode(), value=record, headers=described)
