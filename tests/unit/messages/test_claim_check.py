"""Large work messages go by the object store and come back proven."""

import msgspec
import pytest

from streams.adapters.memory.blobs import MemoryBlobs
from streams.domain.errors import BlobError, Irrecoverable, Undecodable
from streams.messages import claim_check, headers
from streams.messages.claim_check import INLINE_BYTES_MAX, OBJECT_BYTES_MAX, ClaimCheck
from streams.ports import Headers, Record

LARGE = bytes(range(256)) * 1025
HEADERS: Headers = (("event-id", b"e"),)


def record(value: bytes | None, found: Headers) -> Record:
    return Record(topic="work.tfhe.v1", partition=0, offset=0, key=b"k", value=value, headers=found)


async def test_small_value_stays_in_the_record() -> None:
    blobs = MemoryBlobs()
    value, found = await claim_check.close(blobs, "b", bytes(INLINE_BYTES_MAX), HEADERS)
    assert (len(value), found) == (INLINE_BYTES_MAX, HEADERS)
    assert blobs.objects() == {}
    assert await claim_check.open(blobs, record(value, found)) == value


async def test_large_value_goes_by_the_object_store() -> None:
    blobs = MemoryBlobs()
    value, found = await claim_check.close(blobs, "b", LARGE, HEADERS)
    assert len(value) < 300
    assert found == (*HEADERS, (headers.CLAIM_CHECK, b"1"))
    ((bucket, key),) = blobs.objects()
    assert bucket == "b"
    assert key.startswith("work/")
    assert await claim_check.open(blobs, record(value, found)) == LARGE


async def test_same_value_is_the_same_object() -> None:
    blobs = MemoryBlobs()
    first = await claim_check.close(blobs, "b", LARGE, HEADERS)
    assert await claim_check.close(blobs, "b", LARGE, HEADERS) == first
    assert len(blobs.objects()) == 1


async def test_missing_object_is_waited_for() -> None:
    blobs = MemoryBlobs()
    value, found = await claim_check.close(blobs, "b", LARGE, HEADERS)
    for bucket, key in blobs.objects():
        blobs.delete(bucket, key)
    with pytest.raises(BlobError, match="is not in the object store"):
        await claim_check.open(blobs, record(value, found))


@pytest.mark.parametrize("body", [LARGE[:-1], LARGE[:-1] + b"\x00"])
async def test_another_object_is_refused(body: bytes) -> None:
    blobs = MemoryBlobs()
    value, found = await claim_check.close(blobs, "b", LARGE, HEADERS)
    ((bucket, key),) = blobs.objects()
    await blobs.put(bucket, key, body)
    with pytest.raises(Undecodable):
        await claim_check.open(blobs, record(value, found))


async def test_size_is_checked_before_the_object_is_read() -> None:
    blobs = MemoryBlobs()
    value, found = await claim_check.close(blobs, "b", LARGE, HEADERS)
    ((bucket, key),) = blobs.objects()
    await blobs.put(bucket, key, LARGE + b"\x00")
    with pytest.raises(BlobError):
        await claim_check.open(blobs, record(value, found))


@pytest.mark.parametrize("size", [0, -1, OBJECT_BYTES_MAX + 1])
async def test_absurd_sizes_are_refused(size: int) -> None:
    check = ClaimCheck(bucket="b", key="k", sha256=bytes(32), size_bytes=size)
    found: Headers = ((headers.CLAIM_CHECK, b"1"),)
    with pytest.raises(Undecodable):
        await claim_check.open(MemoryBlobs(), record(msgspec.json.encode(check), found))


async def test_garbage_is_refused() -> None:
    found: Headers = ((headers.CLAIM_CHECK, b"1"),)
    for value in (None, b"", b"{}", b"\xff"):
        with pytest.raises(Undecodable):
            await claim_check.open(MemoryBlobs(), record(value, found))


async def test_message_that_nobody_would_read_is_not_sent() -> None:
    with pytest.raises(Irrecoverable):
        await claim_check.close(MemoryBlobs(), "b", bytes(OBJECT_BYTES_MAX + 1), HEADERS)
