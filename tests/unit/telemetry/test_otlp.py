"""Spans on the wire, and what a collector that refuses, hangs up or is away costs: its spans."""

import socket

import pytest
from otlp_receiver import Receiver, receiving

from streams.adapters.telemetry.metrics import Metrics
from streams.adapters.telemetry.otlp import OtlpSpans
from streams.adapters.telemetry.tracing import Span
from streams.messages import trace
from streams.settings import TracingSettings

START_NS = 1_700_000_000_123_000_000
PATIENCE_S = 60.0


def span(event: str = "event", error: str = "") -> Span:
    root = trace.new_trace(event)
    return Span(
        name="step",
        context=root.child("step"),
        parent=root,
        kind="consumer",
        start_ns=START_NS,
        end_ns=START_NS + 5_000_000,
        attributes={"tenant": "t", "offset": 7, "handles": ("0x01", "0x02")},
        error=error,
    )


class Exporter:
    """A sink with its counters."""

    def __init__(self, endpoint: str, ratio: float = 1.0, request_s: float = PATIENCE_S) -> None:
        self._metrics = Metrics()
        settings = TracingSettings(endpoint=endpoint, ratio=ratio)
        self.sink = OtlpSpans("graph", settings, self._metrics, request_s=request_s, close_s=PATIENCE_S)

    def export(self, *spans: Span) -> tuple[float | None, float | None]:
        """Spans taken and lost, as /metrics has them once the sink is closed."""
        for one in spans:
            self.sink.take(one)
        self.sink.close()
        value = self._metrics.value
        return value("cipherstream_spans_exported"), value("cipherstream_spans_lost")


@pytest.fixture
def receiver() -> Receiver:
    with receiving() as found:
        yield found


def test_a_span_arrives_as_it_was_told(receiver: Receiver) -> None:
    told = span()
    assert Exporter(receiver.endpoint).export(told) == (1, 0)
    (found,) = receiver.spans
    assert told.parent is not None
    assert (found.service, found.name, found.kind) == ("graph", "step", 5)
    assert (found.trace_id, found.span_id) == (told.context.trace_id, told.context.span_id)
    assert found.parent_id == told.parent.span_id
    assert (found.start_ns, found.end_ns) == (told.start_ns, told.end_ns)
    assert found.attributes == {"tenant": "t", "offset": 7, "handles": ["0x01", "0x02"]}
    assert not found.is_error


def test_an_error_is_one_on_the_wire(receiver: Receiver) -> None:
    Exporter(receiver.endpoint).export(span(error="Fenced"))
    assert [found.is_error for found in receiver.spans] == [True]


def test_many_spans_go_in_several_requests(receiver: Receiver) -> None:
    spans = [span(str(number)) for number in range(1_100)]
    assert Exporter(receiver.endpoint).export(*spans) == (1_100, 0)
    assert len({found.trace_id for found in receiver.spans}) == 1_100


@pytest.mark.parametrize("path", ["", "/"])
def test_an_endpoint_without_a_path_is_that_of_the_collector(receiver: Receiver, path: str) -> None:
    Exporter(receiver.endpoint + path).export(span())
    assert receiver.paths == {"/v1/traces"}


def test_a_path_is_kept(receiver: Receiver) -> None:
    Exporter(f"{receiver.endpoint}/tenant/v1/traces").export(span())
    assert receiver.paths == {"/tenant/v1/traces"}


def test_services_choose_the_same_traces(receiver: Receiver) -> None:
    spans = [span(str(number)) for number in range(400)]
    first, _ = Exporter(receiver.endpoint, ratio=0.5).export(*spans)
    chosen = {found.trace_id for found in receiver.spans}
    receiver.spans.clear()
    Exporter(receiver.endpoint, ratio=0.5).export(*spans)
    assert {found.trace_id for found in receiver.spans} == chosen
    assert first == len(chosen)
    assert 100 < len(chosen) < 300


def test_no_trace_is_chosen_by_a_ratio_of_zero(receiver: Receiver) -> None:
    assert Exporter(receiver.endpoint, ratio=0).export(span()) == (0, 0)


def test_a_collector_that_refuses_loses_the_spans(receiver: Receiver) -> None:
    receiver.status = 400
    assert Exporter(receiver.endpoint).export(span(), span("other")) == (0, 2)


def test_a_collector_that_is_away_loses_the_spans() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        assert Exporter(endpoint, request_s=0.2).export(span()) == (0, 1)


def test_a_collector_that_never_answers_does_not_hold_up_the_process() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        settings = TracingSettings(endpoint=f"http://127.0.0.1:{mute.getsockname()[1]}")
        sink = OtlpSpans("graph", settings, Metrics(), request_s=1.0, close_s=0.05)
        sink.take(span())
        sink.close()  # returns; the thread does not keep the process
