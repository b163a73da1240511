"""Headers are built in order, read strictly and copied when unknown."""

import pytest

from streams.domain.errors import Undecodable
from streams.messages import headers


def test_build_leaves_out_what_is_not_given() -> None:
    found = headers.build(event_id="e", schema="events/1.0")
    assert found == (
        ("event-id", b"e"),
        ("schema", b"events/1.0"),
        ("content-type", b"application/json"),
    )


def test_build_writes_everything_given() -> None:
    found = headers.build(
        event_id="e", schema="work/1.0", tenant="t", traceparent="p", attempt=0, extra=(("x", b"y"),)
    )
    assert [name for name, _ in found][3:] == ["traceparent", "tenant", "attempt", "x"]
    assert headers.get(found, headers.ATTEMPT) == "0"


def test_last_of_two_values_counts() -> None:
    assert headers.get((("a", b"1"), ("a", b"2")), "a") == "2"
    assert headers.get((), "a") is None


def test_missing_header_is_named() -> None:
    with pytest.raises(Undecodable, match="event-id is missing"):
        headers.require((), headers.EVENT_ID)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(Undecodable, match="attempt is not UTF-8"):
        headers.get(((headers.ATTEMPT, b"\xff"),), headers.ATTEMPT)


def test_replace_keeps_unknown_headers() -> None:
    found = (("x-unknown", b"\xff"), ("attempt", b"1"), ("error-class", b"old"))
    replaced = headers.replace(found, attempt="2", error_class=None)
    assert replaced == (("x-unknown", b"\xff"), ("attempt", b"2"))


def test_long_text_is_cut() -> None:
    assert len(headers.text("x" * 10_000)) < 1_000
