"""sns-worker's part: the child squashes, the parent attests and uploads, then the world may know."""

from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from streams.adapters.telemetry.tracing import inner
from streams.domain.attestation import Attestation, Format, Statement, attest
from streams.domain.digest import keccak256
from streams.domain.errors import BlobError, Undecodable, WorkerCrashed
from streams.domain.results import Squashed
from streams.domain.work import SquashWork, Work
from streams.ports import Clock
from streams.services.worker import frames
from streams.services.worker.backlog import Backlog, Squash
from streams.services.worker.guard import Guard
from streams.services.worker.keys import Keys
from streams.services.worker.loop import Emit
from streams.services.worker.pool import Computes
from streams.services.worker.uploads import Uploads

RECHECK_S: Final = 2.0  # until an upload that failed is tried again

_log = structlog.get_logger(__name__)


class Signs(Protocol):
    """The coprocessor's signer; never in the child."""

    address: bytes

    def sign_digest(self, digest: bytes) -> bytes: ...


@dataclass(frozen=True)
class Parts:
    """What the executor works with."""

    pool: Computes
    keys: Keys
    guard: Guard
    uploads: Uploads
    signer: Signs
    backlog: Backlog


class SquashExecutor:
    """Squashes, attests, uploads."""

    def __init__(self, parts: Parts, worker: str) -> None:
        self._pool = parts.pool
        self._keys = parts.keys
        self._guard = parts.guard
        self._uploads = parts.uploads
        self._signer = parts.signer
        self._backlog = parts.backlog
        self._worker = worker

    async def execute(self, work: Work, emit: Emit) -> None:
        """Publish the digests once both objects are in the store."""
        if not isinstance(work, SquashWork):
            raise Undecodable(f"a sns-worker was given {type(work).__name__}")
        with self._uploads.tasks.track_inprogress():
            await self._publish(work, emit)

    async def resubmit_for_ever(self, clock: Clock, recheck_s: float = RECHECK_S) -> None:
        """Resubmit what could not be uploaded, until cancelled."""
        while True:
            await clock.sleep(recheck_s)
            await self.resubmit()

    async def resubmit(self) -> None:
        """Try each upload of the backlog once more; a success ends the item before its next attempt."""
        for kept in self._backlog.all():
            try:
                await self._upload(kept.squash)
            except BlobError as error:
                _log.warning("still not uploaded", action="resubmission_failed", error=str(error))
                continue
            # both objects are there: told first, forgotten afterwards
            await kept.emit(self._result(kept.squash))
            self._backlog.drop(kept.squash)

    async def _publish(self, work: SquashWork, emit: Emit) -> None:
        self._guard.check_handle(work.ciphertext.handle)
        # An attempt that comes back after a failed upload squashes nothing again: that is seconds of all
        # cores.
        squash = self._backlog.find(work) or await self._squashed(work)
        try:
            await self._upload(squash)
        except BlobError:
            # with this attempt's `emit`: a later success answers it, before the next attempt is due
            self._backlog.keep(squash, emit)
            raise
        self._backlog.drop(squash)
        await emit(self._result(squash))

    async def _squashed(self, work: SquashWork) -> Squash:
        await self._keys.wait(work.key_id)
        answer = await self._pool.execute(work, lambda _: None)
        if not isinstance(answer, frames.Squashing):
            raise WorkerCrashed(f"the child answered {type(answer).__name__}")
        return Squash(work, answer.ct128, self._attest(work, answer))

    def _attest(self, work: SquashWork, answer: frames.Squashing) -> Attestation:
        statement = Statement(
            handle=work.ciphertext.handle,
            key_id=work.key_id,
            ct64_digest=keccak256(work.ciphertext.ct64),
            ct128_digest=keccak256(answer.ct128),
            format=Format(answer.format),
        )
        return attest(statement, self._signer.address, self._signer.sign_digest)

    async def _upload(self, squash: Squash) -> None:
        work = squash.work
        about = {
            "Key-Id": f"0x{work.key_id.hex()}",
            "Transaction-Id": f"0x{work.transaction_hash.hex()}",
            "Signer": f"0x{self._signer.address.hex()}",
            "Uploaded-By": self._worker,
        }
        with inner("upload", "client"):
            await self._uploads.put_both(squash.attestation, work.ciphertext.ct64, squash.ct128, about)

    def _result(self, squash: Squash) -> Squashed:
        statement = squash.attestation.statement
        return Squashed(
            item=squash.work.item,
            attempt=squash.work.attempt,
            worker=self._worker,
            handle=statement.handle,
            key_id=statement.key_id,
            ct64_digest=statement.ct64_digest,
            ct128_digest=statement.ct128_digest,
            format=statement.format,
            signer=squash.attestation.signer,
            attestation=squash.attestation.signature,
        )
