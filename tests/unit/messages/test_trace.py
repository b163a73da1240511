"""Trace context: deterministic from the event, valid for every W3C reader."""

import pytest

from streams.messages import headers, trace
from streams.messages.trace import TraceContext

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_same_event_has_the_same_trace() -> None:
    assert trace.new_trace("e1") == trace.new_trace("e1") != trace.new_trace("e2")


def test_children_stay_in_the_trace() -> None:
    root = trace.new_trace("e1")
    child = root.child("decide")
    assert child.trace_id == root.trace_id
    assert len({root.span_id, child.span_id, root.child("sns").span_id}) == 3
    assert child == root.child("decide")


def test_text_form_reads_back() -> None:
    root = trace.new_trace("e1")
    assert trace.parse(str(root)) == root
    assert trace.parse(PARENT) == TraceContext(PARENT[3:35], PARENT[36:52])
    assert str(trace.parse(PARENT)) == PARENT


def test_not_sampled_stays_so() -> None:
    found = trace.parse(PARENT[:-2] + "00")
    assert found is not None
    assert not found.is_sampled
    assert str(found.child("x")).endswith("-00")


def test_later_version_is_read_by_its_first_part() -> None:
    assert trace.parse("01" + PARENT[2:] + "-more") == trace.parse(PARENT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        PARENT.upper(),
        PARENT + "-more",
        "ff" + PARENT[2:],
        PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
        PARENT.replace("00f067aa0ba902b7", "0" * 16),
    ],
)
def test_what_is_no_context_is_ignored(text: str) -> None:
    assert trace.parse(text) is None


def test_record_without_context_starts_the_trace_of_its_event() -> None:
    assert trace.of((), "e1") == trace.new_trace("e1")
    assert trace.of(((headers.TRACEPARENT, b"\xff"),), "e1") == trace.new_trace("e1")
    assert str(trace.of(((headers.TRACEPARENT, PARENT.encode()),), "e1")) == PARENT
