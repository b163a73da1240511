"""One trace from the chain's event to the gateway's transaction, as a collector receives it over OTLP."""

import msgspec
import pytest
from otlp_receiver import Received, Receiver, receiving
from trace_world import HANDLE, SERVICES, TENANT, TraceWorld
from unit.domain.worlds import CHAIN

from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.spans import MemorySpans
from streams.adapters.telemetry.metrics import Metrics
from streams.adapters.telemetry.otlp import OtlpSpans
from streams.adapters.telemetry.tracing import OFF, Tracing
from streams.domain.facts import host_event_id
from streams.messages import trace
from streams.settings import TracingSettings

PATIENCE_S = 60.0  # of an exporter on a slow machine


class Exporters:
    """An exporter for each service, as its own process would have it."""

    def __init__(self, receiver: Receiver) -> None:
        settings = TracingSettings(endpoint=receiver.endpoint)
        clock = FakeClock()
        self.tracings = {
            name: Tracing(
                clock, OtlpSpans(name, settings, Metrics(), request_s=PATIENCE_S, close_s=PATIENCE_S)
            )
            for name in SERVICES
        }

    def close(self) -> None:
        for tracing in self.tracings.values():
            tracing.close()


async def exported() -> tuple[TraceWorld, list[Received]]:
    with receiving() as receiver:
        exporters = Exporters(receiver)
        world = TraceWorld(exporters.tracings.__getitem__)
        await world.run()
        exporters.close()
        assert receiver.paths == {"/v1/traces"}
        return world, receiver.spans


def way_up(spans: dict[str, Received], last: Received) -> list[tuple[str, str]]:
    """Services and names from a span to its root."""
    found = [last]
    while found[-1].parent_id:
        found.append(spans[found[-1].parent_id])
    return [(span.service, span.name) for span in found]


async def test_a_block_is_one_trace_from_the_listener_to_the_gateway_s_transaction() -> None:
    world, received = await exported()
    block = world.chain.branch[-1]
    trace_id = trace.new_trace(host_event_id(CHAIN, block.hash)).trace_id
    spans = {span.span_id: span for span in received if span.trace_id == trace_id}
    assert {span.service for span in spans.values()} == set(SERVICES)
    assert [span.name for span in spans.values() if not span.parent_id] == ["HostBlock"]
    assert [span for span in spans.values() if span.parent_id and span.parent_id not in spans] == []
    (sent,) = [span for span in spans.values() if span.name == "gateway transaction"]
    assert way_up(spans, sent) == [
        ("transaction-sender", "gateway transaction"),
        ("transaction-sender", "execute SendWork"),
        ("graph", "dispatch add_material"),
        ("host-listener", "HostBlock"),
    ]
    assert str(sent.attributes["transaction.hash"]).startswith("0x")


async def test_every_step_of_the_way_has_its_span() -> None:
    world, received = await exported()
    block = trace.new_trace(host_event_id(CHAIN, world.chain.branch[-1].hash))
    names = {(span.service, span.name) for span in received if span.trace_id == block.trace_id}
    assert names >= {
        ("graph", "apply fact"),
        ("graph", "dispatch compute"),
        ("tfhe-worker", "execute ComputeWork"),
        ("tfhe-worker", "result Computed"),
        ("graph", "apply result"),
        ("graph", "dispatch squash"),
        ("sns-worker", "execute SquashWork"),
        ("sns-worker", "upload"),
        ("sns-worker", "result Squashed"),
        ("transaction-sender", "result Sent"),
    }
    computed = next(span for span in received if span.name == "execute ComputeWork")
    assert computed.attributes["tenant"] == TENANT
    assert computed.attributes["fhevm.handles"] == [f"0x{HANDLE.hex()}"]


async def test_a_handle_s_key_is_told_in_a_trace_of_its_own() -> None:
    _, received = await exported()
    key = [span for span in received if span.name == "KeyActivated"]
    assert len(key) == 1
    below = [span for span in received if span.parent_id == key[0].span_id]
    assert [(span.name, span.trace_id) for span in below] == [("apply fact", key[0].trace_id)]


@pytest.mark.parametrize("again", ["on", "off"])
async def test_records_are_the_same_with_tracing_and_without(again: str) -> None:
    sink = MemorySpans()
    traced = TraceWorld(lambda _: Tracing(FakeClock(), sink))
    await traced.run()
    other = TraceWorld(lambda _: OFF if again == "off" else Tracing(FakeClock(), MemorySpans()))
    await other.run()
    assert sink.spans
    assert other.published() == traced.published()


async def test_a_dead_collector_loses_spans_only() -> None:
    with receiving() as receiver:
        receiver.status = 400  # it says so at once; what is away is asked again for some seconds
        exporters = Exporters(receiver)
        world = TraceWorld(exporters.tracings.__getitem__)
        await world.run()
        exporters.close()
    plain = TraceWorld(lambda _: OFF)
    await plain.run()
    assert receiver.refused
    assert receiver.spans == []
    assert plain.published() == world.published()


def test_spans_of_a_repeated_step_are_the_same_span() -> None:
    sink = MemorySpans()
    tracing = Tracing(FakeClock(), sink)
    context = trace.new_trace("event")
    for _ in range(2):
        with tracing.span("step", context.child("step"), context):
            pass
    first, second = sink.spans
    assert msgspec.structs.asdict(first) == msgspec.structs.asdict(second)
