"""Spans of the trace that every record carries in its headers, from a fact to the gateway's transaction.

Identities of traces and spans follow from events (`messages/trace.py`): whoever handles a record knows where
it belongs without asking or keeping anything, and a step that is repeated after a crash tells the same span
again. Without a sink nothing is measured; nothing that is decided or published depends on there being one.
"""

import contextlib
from collections.abc import Generator, Mapping
from contextvars import ContextVar
from typing import Final, Literal, Protocol

import msgspec

from streams.adapters.system import SystemClock
from streams.messages.trace import TraceContext
from streams.ports import Clock

Attribute = str | int | tuple[str, ...]
Notes = dict[str, Attribute]  # attributes of a span, to be added to while it lasts
Kind = Literal["internal", "producer", "consumer", "client"]
_NONE: Final[Mapping[str, Attribute]] = {}


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A step with its time; `error` is the class of what ended it."""

    name: str
    context: TraceContext
    parent: TraceContext | None
    kind: Kind
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Attribute]
    error: str = ""


class Moment(msgspec.Struct, frozen=True):
    """A time to measure from."""

    wall_ms: int
    monotonic_s: float


class SpanSink(Protocol):
    """Where spans go; neither call waits for anybody or raises."""

    def take(self, span: Span) -> None:
        """Send it some time, or lose it."""
        ...

    def close(self) -> None:
        """Send what is left, within a few seconds."""
        ...


class Tracing:
    """The spans of one process."""

    def __init__(self, clock: Clock, sink: SpanSink | None = None) -> None:
        self._clock = clock
        self._sink = sink

    @property
    def is_on(self) -> bool:
        """Whether it is worth finding out what a span would say."""
        return self._sink is not None

    def now(self) -> Moment:
        """The time to give to `took`."""
        return Moment(self._clock.now_ms(), self._clock.monotonic_s())

    def took(
        self,
        name: str,
        since: Moment,
        context: TraceContext,
        parent: TraceContext | None,
        kind: Kind = "internal",
        attributes: Mapping[str, Attribute] = _NONE,
        error: str = "",
    ) -> None:
        """Tell a step that began then and ends now."""
        if self._sink is None:
            return
        start_ns = since.wall_ms * 1_000_000
        lasted_ns = round((self._clock.monotonic_s() - since.monotonic_s) * 1e9)
        span = Span(
            name=name,
            context=context,
            parent=parent,
            kind=kind,
            start_ns=start_ns,
            end_ns=start_ns + lasted_ns,
            attributes=attributes,
            error=error,
        )
        self._sink.take(span)

    def span(
        self,
        name: str,
        context: TraceContext,
        parent: TraceContext | None,
        kind: Kind = "internal",
        attributes: Mapping[str, Attribute] = _NONE,
    ) -> contextlib.AbstractContextManager[Notes]:
        """Tell what happens in the context, and how it ended; `inner` spans hang below it."""
        if self._sink is None:
            return contextlib.nullcontext({})
        return self._lasting(name, context, parent, kind, attributes)

    @contextlib.contextmanager
    def _lasting(
        self,
        name: str,
        context: TraceContext,
        parent: TraceContext | None,
        kind: Kind,
        attributes: Mapping[str, Attribute],
    ) -> Generator[Notes]:
        since, notes, error = self.now(), dict(attributes), ""
        token = _current.set((self, context))
        try:
            yield notes
        except BaseException as raised:
            error = type(raised).__name__  # not its text: a collector is another machine
            raise
        finally:
            _current.reset(token)
            self.took(name, since, context, parent, kind, notes, error)

    def close(self) -> None:
        """Send what is left, within a few seconds."""
        if self._sink is not None:
            self._sink.close()


_current: ContextVar[tuple[Tracing, TraceContext] | None] = ContextVar("span", default=None)

OFF: Final = Tracing(SystemClock())


def inner(
    name: str, kind: Kind = "internal", attributes: Mapping[str, Attribute] = _NONE, of: str = ""
) -> contextlib.AbstractContextManager[Notes]:
    """A span below the one that this task is in; nothing where there is none.

    Args:
        of: tells spans of the same name in the same parent apart.
    """
    found = _current.get()
    if found is None:
        return contextlib.nullcontext({})
    tracing, parent = found
    return tracing.span(name, parent.child(f"{name}/{of}"), parent, kind, attributes)
