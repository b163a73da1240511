"""Bodies of claim checks: with credentials by the store's own protocol, without them as anybody reads them.

Ciphertexts and work bodies are public, so a worker that only reads needs no secret and can run anywhere.
"""

import contextlib
import os
from collections.abc import AsyncGenerator, Mapping

from streams.adapters.object_store.http import HttpReader
from streams.adapters.object_store.s3 import REQUESTS_MAX, SECRET_VARIABLE, S3Blobs
from streams.domain.errors import BlobError
from streams.ports import Blob, Blobs, Clock
from streams.settings import ObjectStoreSettings


class PublicBlobs:
    """ports.Blobs for a reader without credentials; it stores nothing."""

    def __init__(self, settings: ObjectStoreSettings, reader: HttpReader) -> None:
        self._settings = settings
        self._reader = reader

    async def get(self, bucket: str, key: str, *, size_bytes_max: int) -> Blob | None:
        """The object without metadata, or None; raises BlobError, also when it is larger than allowed."""
        body = await self._reader.get(self._url(bucket, key), size_bytes_max=size_bytes_max)
        return None if body is None else Blob(body=body, metadata={})

    async def head(self, bucket: str, key: str) -> Mapping[str, str] | None:
        """Raises BlobError."""
        raise BlobError(f"{bucket}/{key}: metadata needs credentials")

    async def put(
        self, bucket: str, key: str, body: bytes, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Raises BlobError."""
        del body, metadata
        raise BlobError(f"{bucket}/{key}: storing needs credentials")

    async def put_new(
        self, bucket: str, key: str, body: bytes, metadata: Mapping[str, str] | None = None
    ) -> bool:
        """Raises BlobError."""
        await self.put(bucket, key, body, metadata)
        return False

    async def check(self, bucket: str) -> None:
        """Raises BlobError."""
        raise BlobError(f"{bucket}: asking for a bucket needs credentials")

    def _url(self, bucket: str, key: str) -> str:
        settings = self._settings
        if settings.public_url and bucket == settings.bucket:
            return f"{settings.public_url.rstrip('/')}/{key}"
        if settings.endpoint:
            return f"{settings.endpoint.rstrip('/')}/{bucket}/{key}"
        return f"https://{bucket}.s3.{settings.region}.amazonaws.com/{key}"


def has_credentials(settings: ObjectStoreSettings) -> bool:
    """Whether a secret key was given, by a file or by the environment."""
    return settings.secret_key_file is not None or SECRET_VARIABLE in os.environ


@contextlib.asynccontextmanager
async def opened(
    settings: ObjectStoreSettings, clock: Clock, *, writes: bool, requests_max: int = REQUESTS_MAX
) -> AsyncGenerator[Blobs]:
    """The object store as far as this worker may use it; raises ConfigurationError when it must write."""
    if writes or has_credentials(settings):
        blobs = S3Blobs(settings, clock, requests_max=requests_max)
        try:
            yield blobs
        finally:
            await blobs.close()
        return
    async with HttpReader(clock) as reader:
        yield PublicBlobs(settings, reader)
