"""Spans to a collector: OTLP over HTTP, protobuf, from a thread of the library's own.

The queue is bounded and what does not fit is dropped, so a collector that is slow, wrong or dead costs its
spans and nothing else. Only a process that was given an endpoint imports this module.
"""

import logging
import os
import socket
import threading
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

import streams
from streams.adapters.telemetry.metrics import Metrics
from streams.adapters.telemetry.tracing import Span
from streams.messages.trace import TraceContext
from streams.settings import TracingSettings

QUEUE_SPANS: Final = 8_192  # some megabytes
_BATCH_SPANS: Final = 512
_DELAY_MS: Final = 1_000.0
REQUEST_S: Final = 5.0  # with its repetitions
CLOSE_S: Final = 3.0  # of the 30 s that a process has to end
_PATH: Final = "/v1/traces"
_KINDS: Final = {
    "internal": SpanKind.INTERNAL,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
    "client": SpanKind.CLIENT,
}
_TRACE_ID_RANGE: Final = 1 << 64  # of the lower half, which is as evenly spread as the whole


class OtlpSpans:
    """The sink of one process."""

    def __init__(
        self,
        service: str,
        tracing: TracingSettings,
        metrics: Metrics,
        *,
        request_s: float = REQUEST_S,
        close_s: float = CLOSE_S,
    ) -> None:
        self._close_s = close_s
        # It would tell of a dead collector every second; the metrics do.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        exporter = OTLPSpanExporter(endpoint=_url(tracing.endpoint), timeout=request_s)
        self._resource = _resource(service)
        self._bound = int(tracing.ratio * _TRACE_ID_RANGE)
        self._queue = BatchSpanProcessor(
            _Counted(exporter, metrics),
            max_queue_size=QUEUE_SPANS,
            schedule_delay_millis=_DELAY_MS,
            max_export_batch_size=_BATCH_SPANS,
        )

    def take(self, span: Span) -> None:
        """Put it in line. Traces are chosen by their id, so all services choose the same ones."""
        if int(span.context.trace_id[16:], 16) < self._bound and span.context.is_sampled:
            self._queue.on_end(self._readable(span))

    def close(self) -> None:
        """Send what is left; what the collector has not taken in that time is lost."""
        closing = threading.Thread(target=self._queue.shutdown, daemon=True)
        closing.start()
        closing.join(self._close_s)

    def _readable(self, span: Span) -> ReadableSpan:
        return ReadableSpan(
            name=span.name,
            context=_context(span.context, is_remote=False),
            parent=None if span.parent is None else _context(span.parent, is_remote=True),
            resource=self._resource,
            attributes=dict(span.attributes),
            kind=_KINDS[span.kind],
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(),
            start_time=span.start_ns,
            end_time=span.end_ns,
        )


class _Counted(SpanExporter):
    """Counts what was taken and what was not."""

    def __init__(self, exporter: OTLPSpanExporter, metrics: Metrics) -> None:
        self._exporter = exporter
        self._exported = metrics.counter("cipherstream_spans_exported")
        self._lost = metrics.counter("cipherstream_spans_lost")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        is_taken = result is SpanExportResult.SUCCESS
        (self._exported if is_taken else self._lost).inc(len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def _context(context: TraceContext, *, is_remote: bool) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED)
    return SpanContext(int(context.trace_id, 16), int(context.span_id, 16), is_remote, flags)


def _resource(service: str) -> Resource:
    return Resource(
        {
            "service.name": service,
            "service.namespace": "cipherstream",
            "service.version": streams.__version__,
            "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
        }
    )


def _url(endpoint: str) -> str:
    """The collector's address for traces; a path that was given is kept."""
    return endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + _PATH
