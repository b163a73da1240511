"""The object store's twin."""

import asyncio
from collections.abc import Mapping

from streams.domain.errors import BlobError
from streams.ports import Blob


class MemoryBlobs:
    """ports.Blobs in memory."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], Blob] = {}
        self._failures = 0

    async def put(
        self, bucket: str, key: str, body: bytes, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Store; raises BlobError when told to fail."""
        await self._request()
        self._objects[bucket, key] = Blob(body=bytes(body), metadata=dict(metadata or {}))

    async def put_new(
        self, bucket: str, key: str, body: bytes, metadata: Mapping[str, str] | None = None
    ) -> bool:
        """Store unless there is such an object; False if there is. Raises BlobError when told to fail."""
        await self._request()
        new = Blob(body=bytes(body), metadata=dict(metadata or {}))
        return self._objects.setdefault((bucket, key), new) is new

    async def check(self, bucket: str) -> None:
        """Every bucket is there; raises BlobError when told to fail."""
        del bucket
        await self._request()

    async def head(self, bucket: str, key: str) -> Mapping[str, str] | None:
        """User metadata, or None when there is no such object; raises BlobError when told to fail."""
        await self._request()
        found = self._objects.get((bucket, key))
        return None if found is None else found.metadata

    async def get(self, bucket: str, key: str, *, size_bytes_max: int) -> Blob | None:
        """The object, or None; raises BlobError when told to fail and when it is larger than allowed."""
        await self._request()
        found = self._objects.get((bucket, key))
        if found is not None and len(found.body) > size_bytes_max:
            raise BlobError(
                f"{bucket}/{key} has {len(found.body)} bytes, at most {size_bytes_max} are allowed"
            )
        return found

    def fail_next(self, count: int = 1) -> None:
        """The next requests raise BlobError."""
        self._failures += count

    def recover(self) -> None:
        """No request raises BlobError any more."""
        self._failures = 0

    def delete(self, bucket: str, key: str) -> None:
        """Lose an object."""
        del self._objects[bucket, key]

    def objects(self) -> Mapping[tuple[str, str], Blob]:
        """Everything stored, by bucket and key; for tests."""
        return dict(self._objects)

    async def _request(self) -> None:
        await asyncio.sleep(0)  # as with a real store, others run meanwhile
        if self._failures:
            self._failures -= 1
            raise BlobError("failed on request")
