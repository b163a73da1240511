"""Dead letters keep the original and tell the failure."""

import msgspec
import pytest

from streams.adapters.memory.log import MemoryLog
from streams.domain.errors import Undecodable
from streams.messages import dead_letter
from streams.ports import Record

ORIGINAL = Record(
    topic="events.v1",
    partition=3,
    offset=14,
    key=b"tenant",
    value=b"\xff garbage",
    headers=(("event-id", b"e"), ("x-unknown", b"\x00")),
)


async def test_original_bytes_and_headers_are_kept() -> None:
    log = MemoryLog()
    position = await dead_letter.park(log, ORIGINAL, Undecodable("not a fact"), "graph@1")
    (parked,) = log.records("dlq.v1", position.partition)
    assert (parked.key, parked.value) == (ORIGINAL.key, ORIGINAL.value)
    assert parked.headers[:2] == ORIGINAL.headers


async def test_failure_reads_back() -> None:
    log = MemoryLog()
    await dead_letter.park(log, ORIGINAL, Undecodable("not a fact"), "graph@1")
    (parked,) = log.records("dlq.v1")
    assert dead_letter.read(parked) == dead_letter.Failure(
        error="not a fact", error_class="Undecodable", service="graph@1", origin="events.v1/3/14"
    )


async def test_origin_of_a_second_failure_is_the_first_delivery() -> None:
    log = MemoryLog()
    await dead_letter.park(log, ORIGINAL, Undecodable("first"), "graph@1")
    (parked,) = log.records("dlq.v1")
    await dead_letter.park(log, parked, Undecodable("second"), "tool@2")
    again = log.records("dlq.v1")[-1]
    failure = dead_letter.read(again)
    assert (failure.error, failure.origin) == ("second", "events.v1/3/14")
    assert len(again.headers) == len(parked.headers)


@pytest.mark.parametrize("part", ["key", "value", "headers"])
def test_what_the_broker_would_refuse_is_cut_and_says_how_long_it_was(part: str) -> None:
    large = bytes(2_000_000)
    changed = {"headers": (("x", large), *ORIGINAL.headers)} if part == "headers" else {part: large}
    record = msgspec.structs.replace(ORIGINAL, **changed)
    short = dead_letter.shortened(record)
    found = dead_letter.dead_letter(short, dead_letter.failure_of(short, Undecodable("no"), "graph@1"))
    size_bytes = len(short.key or b"") + len(short.value or b"") + sum(len(n) + len(v) for n, v in found)
    assert size_bytes < 1_000_000
    assert (record.value or b"").startswith(short.value or b"")
    assert dict(found)["value-bytes"] == str(len(record.value or b"")).encode()
    assert dict(found)["origin"] == b"events.v1/3/14"


def test_what_fits_is_left_as_it_is() -> None:
    assert dead_letter.shortened(ORIGINAL) == ORIGINAL
    full = msgspec.structs.replace(ORIGINAL, value=bytes(800_000))
    assert dead_letter.shortened(full) == full


def test_an_origin_that_is_no_text_is_where_the_record_lies() -> None:
    record = msgspec.structs.replace(ORIGINAL, headers=(("origin", b"\xff"),))
    assert dead_letter.origin_of(record) == "events.v1/3/14"


def test_error_without_text_is_named_by_its_class() -> None:
    failure = dead_letter.failure_of(ORIGINAL, ValueError(), "graph@1")
    assert failure.error == "ValueError"


def test_record_without_failure_is_no_dead_letter() -> None:
    with pytest.raises(Undecodable, match="error is missing"):
        dead_letter.read(ORIGINAL)
