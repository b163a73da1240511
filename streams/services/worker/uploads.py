"""Both objects of a squashed ciphertext go where everybody can read them, each once."""

import asyncio
from typing import Final

import msgspec

from streams.domain.attestation import (
    METADATA_KEY,
    Attestation,
    object_key_ct64,
    object_key_ct128,
    to_metadata,
)
from streams.domain.errors import BlobError
from streams.ports import Blobs
from streams.services.crashpoints import crashpoint
from streams.services.worker.metrics import UploadMetrics
from streams.services.worker.pool import OnState

UPLOADS_MAX: Final = 16  # at a time, of all items


class Buckets(msgspec.Struct, frozen=True):
    """Where the objects go."""

    ct64: str
    ct128: str


class Uploads:
    """Puts both objects of a handle where everybody can read them."""

    def __init__(
        self,
        blobs: Blobs,
        buckets: Buckets,
        metrics: UploadMetrics,
        on_state: OnState = lambda _ok, _detail: None,
        *,
        uploads_max: int = UPLOADS_MAX,
    ) -> None:
        self._blobs = blobs
        self._buckets = buckets
        self._metrics = metrics
        self.tasks = metrics.tasks
        self._on_state = on_state
        self._free = asyncio.Semaphore(uploads_max)

    async def put_both(
        self, attestation: Attestation, ct64: bytes, ct128: bytes, about: dict[str, str]
    ) -> None:
        """Return when both are there under that attestation; raises BlobError."""
        handle, context = attestation.statement.handle, attestation.statement.context_id
        metadata = {METADATA_KEY: to_metadata(attestation)} | about
        # Side by side: neither waits for the other; the result is told when both are there.
        await asyncio.gather(
            self._put(self._buckets.ct64, object_key_ct64(handle, context), ct64, metadata),
            self._put(self._buckets.ct128, object_key_ct128(handle, context), ct128, metadata),
        )

    async def _put(self, bucket: str, key: str, body: bytes, metadata: dict[str, str]) -> None:
        async with self._free:
            with self._metrics.unfinished.track_inprogress(), self._metrics.failure.count_exceptions():
                try:
                    await self._put_unless_there(bucket, key, body, metadata)
                except BlobError as error:
                    self._on_state(False, str(error))
                    raise
        crashpoint("sns.between_uploads")
        self._metrics.success.inc()
        self._on_state(True, "")

    async def _put_unless_there(self, bucket: str, key: str, body: bytes, metadata: dict[str, str]) -> None:
        stored = await self._blobs.head(bucket, key)  # a body is large, a question is not
        if stored is None:
            if await self._blobs.put_new(bucket, key, body, metadata):
                return
            stored = await self._blobs.head(bucket, key)  # another one was quicker
        # An object of another attestation (a signer that changed, other bytes): ours has to be the one that
        # is read.
        if stored is None or stored.get(METADATA_KEY) != metadata[METADATA_KEY]:
            await self._blobs.put(bucket, key, body, metadata)
