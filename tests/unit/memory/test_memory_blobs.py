"""The object store's twin keeps the contract and has faults on request."""

import pytest
from port_contracts.blobs import BlobsContract

from streams.adapters.memory.blobs import MemoryBlobs
from streams.domain.errors import BlobError


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


@pytest.fixture
def bucket() -> str:
    return "b"


class TestContract(BlobsContract):
    """The sentences of every object store."""


async def test_requests_fail_as_often_as_told(blobs: MemoryBlobs) -> None:
    blobs.fail_next(5)
    with pytest.raises(BlobError):
        await blobs.put_new("b", "k", b"v")
    with pytest.raises(BlobError):
        await blobs.check("b")
    with pytest.raises(BlobError):
        await blobs.put("b", "k", b"v")
    with pytest.raises(BlobError):
        await blobs.get("b", "k", size_bytes_max=1)
    with pytest.raises(BlobError):
        await blobs.head("b", "k")
    await blobs.put("b", "k", b"v")
    assert [blob.body for blob in blobs.objects().values()] == [b"v"]


async def test_lost_object_is_missing(blobs: MemoryBlobs) -> None:
    await blobs.put("b", "k", b"v")
    blobs.delete("b", "k")
    assert await blobs.get("b", "k", size_bytes_max=1) is None
