"""W3C trace context from chain event to gateway transaction.

Ids come from the event, not from chance: the same event has the same trace in every run, so that a replay, a
second listener and a log line can be joined.
"""

import hashlib
import re
from typing import Final

import msgspec

from streams.messages import headers
from streams.ports import Headers

_FORMAT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED: Final = 1
_UNKNOWN_VERSION: Final = "ff"


class TraceContext(msgspec.Struct, frozen=True):
    """One span's place in a trace, as hexadecimal text."""

    trace_id: str
    span_id: str
    is_sampled: bool = True

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{int(self.is_sampled):02x}"

    def child(self, name: str) -> "TraceContext":
        """The span of a step below this one; the same for the same name."""
        span = _digest(f"{self.trace_id}/{self.span_id}/{name}", 8)
        return TraceContext(self.trace_id, span, self.is_sampled)


def new_trace(event_id: str) -> TraceContext:
    """The root span of an event."""
    return TraceContext(_digest(f"trace/{event_id}", 16), _digest(f"span/{event_id}", 8))


def parse(traceparent: str) -> TraceContext | None:
    """The context in a `traceparent`, or None when it is not one: tracing never stops a record."""
    match = _FORMAT.fullmatch(traceparent)
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == _UNKNOWN_VERSION or (version == "00" and rest):
        return None
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def of(found: Headers, event_id: str) -> TraceContext:
    """The context that a record brings along, else the root of its event."""
    return told(found) or new_trace(event_id)


def told(found: Headers) -> TraceContext | None:
    """The context that a record brings along, whatever bytes its header has."""
    raw = next((value for name, value in found if name == headers.TRACEPARENT), b"")
    return parse(raw.decode("ascii", "replace"))


def _digest(text: str, size: int) -> str:
    return hashlib.sha256(text.encode()).digest()[:size].hex()
