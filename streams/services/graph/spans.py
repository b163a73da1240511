"""Spans of the graph: a record that was applied, an item that was dispatched."""

from collections.abc import Sequence

from streams.adapters.telemetry.tracing import Moment, Tracing
from streams.domain.rows import WorkRow
from streams.messages import trace
from streams.messages.topics import EVENTS
from streams.ports import Record
from streams.services.graph.outgoing import root_of, span_of

# Begins every step of a graph that has no sink: nothing is measured.
_NEVER = Moment(0, 0.0)


class _Spans:
    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def now(self) -> Moment:
        """When a step begins."""
        return self._tracing.now() if self._tracing.is_on else _NEVER


class RecordSpans(_Spans):
    """Records of a transaction that was committed: all of them took as long as it did."""

    def applied(self, records: Sequence[Record], since: Moment) -> None:
        """Tell them."""
        if self._tracing.is_on:
            for record in records:
                self._tell(record, since)

    def _tell(self, record: Record, since: Moment) -> None:
        parent = trace.told(record.headers)
        if parent is None:  # whoever published it belongs to no trace
            return
        name = "apply fact" if record.topic == EVENTS else "apply result"
        about = {
            "tenant": (record.key or b"").decode(errors="replace"),
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
        }
        span = parent.child(f"{record.topic}/{record.partition}/{record.offset}")
        self._tracing.took(name, since, span, parent, "consumer", about)


class ItemSpans(_Spans):
    """Items that the broker has."""

    def dispatched(self, items: Sequence[WorkRow], since: Moment) -> None:
        """Tell those that a fact made."""
        if self._tracing.is_on:
            for item in items:
                if item.event_id:
                    self._tell(item, since)

    def _tell(self, item: WorkRow, since: Moment) -> None:
        about = {
            "tenant": item.tenant,
            "fhevm.item": item.id,
            "fhevm.subject": f"0x{item.subject.hex()}",
            "fhevm.attempt": item.attempt,
        }
        name = f"dispatch {item.kind}"
        self._tracing.took(name, since, span_of(item), root_of(item), "producer", about)
