"""Spans kept in a list: the twin of the exporter."""

from streams.adapters.telemetry.tracing import Span


class MemorySpans:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.is_closed = False

    def take(self, span: Span) -> None:
        """Keep it."""
        self.spans.append(span)

    def close(self) -> None:
        """Remember that it was closed."""
        self.is_closed = True

    def named(self, name: str) -> list[Span]:
        """Spans of that name, in the order in which they ended."""
        return [span for span in self.spans if span.name == name]
