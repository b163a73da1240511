"""A span tells when a step began and how it ended; without a sink there is none, and nobody is asked."""

import asyncio
import subprocess
import sys

import pytest

from streams.adapters.memory.clock import START_MS, FakeClock
from streams.adapters.memory.spans import MemorySpans
from streams.adapters.telemetry.tracing import OFF, Tracing, inner
from streams.messages import trace

CONTEXT = trace.new_trace("event")


class NoClock:
    """Nobody may ask it."""

    def now_ms(self) -> int:
        raise AssertionError

    def monotonic_s(self) -> float:
        raise AssertionError

    async def sleep(self, seconds: float) -> None:
        raise AssertionError


@pytest.fixture
def sink() -> MemorySpans:
    return MemorySpans()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_a_span_has_its_time_its_place_and_its_notes(sink: MemorySpans, clock: FakeClock) -> None:
    child = CONTEXT.child("step")
    with Tracing(clock, sink).span("step", child, CONTEXT, "client", {"tenant": "t"}) as notes:
        await clock.advance(1.5)
        notes["offset"] = 7
    (span,) = sink.spans
    assert (span.name, span.context, span.parent, span.kind) == ("step", child, CONTEXT, "client")
    assert (span.start_ns, span.end_ns) == (START_MS * 10**6, START_MS * 10**6 + 1_500_000_000)
    assert span.attributes == {"tenant": "t", "offset": 7}
    assert span.error == ""


def test_a_step_that_fails_tells_the_class_and_not_the_words(sink: MemorySpans, clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="secret"), Tracing(clock, sink).span("step", CONTEXT, None):
        raise ValueError("secret")
    assert [span.error for span in sink.spans] == ["ValueError"]


def test_an_inner_span_hangs_below_the_one_around_it(sink: MemorySpans, clock: FakeClock) -> None:
    with Tracing(clock, sink).span("outer", CONTEXT, None), inner("a"), inner("b", of="1"):
        pass
    below, middle, outer = sink.spans
    assert (below.name, middle.name, outer.name) == ("b", "a", "outer")
    assert (below.parent, middle.parent) == (middle.context, outer.context)
    assert {span.context.trace_id for span in sink.spans} == {CONTEXT.trace_id}


def test_outside_of_a_span_there_is_no_inner_one(sink: MemorySpans, clock: FakeClock) -> None:
    with Tracing(clock, sink).span("outer", CONTEXT, None):
        pass
    with inner("a") as notes:
        notes["hash"] = "0x"
    assert [span.name for span in sink.spans] == ["outer"]


async def test_tasks_side_by_side_do_not_share_their_spans(sink: MemorySpans, clock: FakeClock) -> None:
    tracing = Tracing(clock, sink)

    async def item(name: str) -> None:
        with tracing.span(name, trace.new_trace(name), None):
            await asyncio.sleep(0)
            with inner("step"):
                await asyncio.sleep(0)

    await asyncio.gather(item("a"), item("b"))
    parents = {span.parent for span in sink.named("step")}
    assert parents == {trace.new_trace("a"), trace.new_trace("b")}


def test_without_a_sink_nothing_is_measured() -> None:
    tracing = Tracing(NoClock())
    with tracing.span("step", CONTEXT, None) as notes, inner("below"):
        notes["tenant"] = "t"
    with tracing.span("step", CONTEXT, None) as fresh:
        assert fresh == {}
    tracing.close()
    assert not tracing.is_on
    assert not OFF.is_on


def test_closing_closes_the_sink(sink: MemorySpans, clock: FakeClock) -> None:
    Tracing(clock, sink).close()
    assert sink.is_closed


def test_a_process_without_an_endpoint_does_not_load_the_exporter() -> None:
    program = (
        "import sys, streams.services.tfhe_worker, streams.services.transaction_sender\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
