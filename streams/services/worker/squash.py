"""sns-worker's part: the child squashes, the parent attests and uploads, then the world may know."""

import asyncio
from typing import Final, Protocol

import msgspec

from streams.adapters.telemetry.tracing import inner
from streams.domain.attestation import (
    METADATA_KEY,
    Attestation,
    Format,
    Statement,
    attest,
    object_key_ct64,
    object_key_ct128,
    to_metadata,
)
from streams.domain.digest import keccak256
from streams.domain.errors import BlobError, Undecodable, WorkerCrashed
from streams.domain.results import Squashed
from streams.domain.work import SquashWork, Work
from streams.ports import Blobs
from streams.services.crashpoints import crashpoint
from streams.services.worker import frames
from streams.services.worker.guard import Guard
from streams.services.worker.keys import Keys
from streams.services.worker.loop import Emit
from streams.services.worker.metrics import UploadMetrics
from streams.services.worker.pool import Computes, OnState

UPLOADS_MAX: Final = 16  # at a time, of all items


class Signs(Protocol):
    """The coprocessor's signer; never in the child."""

    address: bytes

    def sign_digest(self, digest: bytes) -> bytes: ...


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
    ) -> None:
        self._blobs = blobs
        self._buckets = buckets
        self._metrics = metrics
        self.tasks = metrics.tasks
        self._on_state = on_state
        self._free = asyncio.Semaphore(UPLOADS_MAX)

    async def put_both(
        self, attestation: Attestation, ct64: bytes, ct128: bytes, about: dict[str, str]
    ) -> None:
        """Return when both are there under that attestation; raises BlobError."""
        handle, context = attestation.statement.handle, attestation.statement.context_id
        metadata = {METADATA_KEY: to_metadata(attestation)} | about
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
        stored = await self._blobs.head(bucket, key)
        if stored is None or stored.get(METADATA_KEY) != metadata[METADATA_KEY]:
            await self._blobs.put(bucket, key, body, metadata)


class SquashExecutor:
    """Squashes, attests, uploads."""

    def __init__(
        self, pool: Computes, keys: Keys, guard: Guard, uploads: Uploads, signer: Signs, worker: str
    ) -> None:
        self._pool = pool
        self._keys = keys
        self._guard = guard
        self._uploads = uploads
        self._signer = signer
        self._worker = worker

    async def execute(self, work: Work, emit: Emit) -> None:
        """Publish the digests once both objects are in the store."""
        if not isinstance(work, SquashWork):
            raise Undecodable(f"a sns-worker was given {type(work).__name__}")
        with self._uploads.tasks.track_inprogress():
            await self._publish(work, emit)

    async def _publish(self, work: SquashWork, emit: Emit) -> None:
        self._guard.check_handle(work.ciphertext.handle)
        await self._keys.wait(work.key_id)
        answer = await self._pool.execute(work, lambda _: None)
        if not isinstance(answer, frames.Squashing):
            raise WorkerCrashed(f"the child answered {type(answer).__name__}")
        attestation = self._attest(work, answer)
        await self._upload(work, answer, attestation)
        await emit(self._result(work, attestation))

    def _attest(self, work: SquashWork, answer: frames.Squashing) -> Attestation:
        statement = Statement(
            handle=work.ciphertext.handle,
            key_id=work.key_id,
            ct64_digest=keccak256(work.ciphertext.ct64),
            ct128_digest=keccak256(answer.ct128),
            format=Format(answer.format),
        )
        return attest(statement, self._signer.address, self._signer.sign_digest)

    async def _upload(self, work: SquashWork, answer: frames.Squashing, attestation: Attestation) -> None:
        about = {
            "Key-Id": f"0x{work.key_id.hex()}",
            "Transaction-Id": f"0x{work.transaction_hash.hex()}",
            "Signer": f"0x{self._signer.address.hex()}",
            "Uploaded-By": self._worker,
        }
        with inner("upload", "client"):
            await self._uploads.put_both(attestation, work.ciphertext.ct64, answer.ct128, about)

    def _result(self, work: SquashWork, attestation: Attestation) -> Squashed:
        statement = attestation.statement
        return Squashed(
            item=work.item,
            attempt=work.attempt,
            worker=self._worker,
            handle=statement.handle,
            key_id=statement.key_id,
            ct64_digest=statement.ct64_digest,
            ct128_digest=statement.ct128_digest,
            format=statement.format,
            signer=attestation.signer,
            attestation=attestation.signature,
        )
