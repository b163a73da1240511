"""What every object store promises; the memory twin and the real server run the same sentences."""

import asyncio

import pytest

from streams.domain.errors import BlobError
from streams.ports import Blobs

LARGE = bytes(range(256)) * 12_000  # 3 MB


class BlobsContract:
    """Subclasses give the fixtures `blobs` and `bucket`, in which no object has these names."""

    async def test_object_comes_back_with_its_metadata(self, blobs: Blobs, bucket: str) -> None:
        await blobs.put(bucket, "a/b", b"\x00body\xff", {"ct-format": "11"})
        blob = await blobs.get(bucket, "a/b", size_bytes_max=6)
        assert blob is not None
        assert (blob.body, dict(blob.metadata)) == (b"\x00body\xff", {"ct-format": "11"})
        head = await blobs.head(bucket, "a/b")
        assert head is not None
        assert dict(head) == {"ct-format": "11"}

    async def test_object_without_metadata(self, blobs: Blobs, bucket: str) -> None:
        await blobs.put(bucket, "plain", b"")
        head = await blobs.head(bucket, "plain")
        assert head is not None
        assert dict(head) == {}
        blob = await blobs.get(bucket, "plain", size_bytes_max=0)
        assert blob is not None
        assert blob.body == b""

    async def test_missing_object_is_none(self, blobs: Blobs, bucket: str) -> None:
        assert await blobs.head(bucket, "nothing") is None
        assert await blobs.get(bucket, "nothing", size_bytes_max=10) is None

    async def test_last_put_counts(self, blobs: Blobs, bucket: str) -> None:
        await blobs.put(bucket, "twice", b"1", {"n": "1"})
        await blobs.put(bucket, "twice", b"22", {"n": "2"})
        blob = await blobs.get(bucket, "twice", size_bytes_max=10)
        assert blob is not None
        assert (blob.body, blob.metadata["n"]) == (b"22", "2")

    async def test_new_object_is_stored_once_and_never_replaced(self, blobs: Blobs, bucket: str) -> None:
        assert await blobs.put_new(bucket, "new", b"1", {"n": "1"})
        assert not await blobs.put_new(bucket, "new", b"22", {"n": "2"})
        blob = await blobs.get(bucket, "new", size_bytes_max=10)
        assert blob is not None
        assert (blob.body, blob.metadata["n"]) == (b"1", "1")

    async def test_of_many_who_store_at_once_one_is_told_that_it_did(self, blobs: Blobs, bucket: str) -> None:
        bodies = [str(number).encode() for number in range(6)]
        stored = await asyncio.gather(*(blobs.put_new(bucket, "race", body) for body in bodies))
        assert sum(stored) == 1
        blob = await blobs.get(bucket, "race", size_bytes_max=10)
        assert blob is not None
        assert blob.body == bodies[stored.index(True)]

    async def test_bucket_that_is_there_is_ready(self, blobs: Blobs, bucket: str) -> None:
        await blobs.check(bucket)

    async def test_object_above_the_limit_is_an_error(self, blobs: Blobs, bucket: str) -> None:
        await blobs.put(bucket, "large", LARGE)
        with pytest.raises(BlobError, match=f"{len(LARGE)} bytes"):
            await blobs.get(bucket, "large", size_bytes_max=len(LARGE) - 1)
        blob = await blobs.get(bucket, "large", size_bytes_max=len(LARGE))
        assert blob is not None
        assert blob.body == LARGE

    async def test_many_at_once(self, blobs: Blobs, bucket: str) -> None:
        names = [f"many/{number}" for number in range(30)]
        await asyncio.gather(*(blobs.put(bucket, name, name.encode()) for name in names))
        found = await asyncio.gather(*(blobs.get(bucket, name, size_bytes_max=100) for name in names))
        assert [blob and blob.body for blob in found] == [name.encode() for name in names]
