"""zkproof-worker's part: judges an encrypted input, and only a verdict over the input itself is one."""

from typing import Final

from streams.domain.errors import InvalidInput, Irrecoverable, Undecodable, WorkerCrashed
from streams.domain.results import Ciphertext, Proven
from streams.domain.work import ProofWork, Work
from streams.services.worker import frames
from streams.services.worker.guard import Guard
from streams.services.worker.keys import Keys
from streams.services.worker.loop import Emit
from streams.services.worker.parts import split
from streams.services.worker.pool import Computes

INPUT_BYTES_MAX: Final = 16 * 1024 * 1024
_REASON_CHARS_MAX: Final = 2000  # a record that the broker refuses would be tried for ever
VALUES_MAX: Final = 255  # the index in a handle is a byte, and 0xff marks computed values


class ProofExecutor:
    """Verifies encrypted inputs."""

    def __init__(self, pool: Computes, keys: Keys, guard: Guard, worker: str) -> None:
        self._pool = pool
        self._keys = keys
        self._guard = guard
        self._worker = worker

    async def execute(self, work: Work, emit: Emit) -> None:
        """Publish the verdict. Whatever says nothing about the input raises Recoverable."""
        if not isinstance(work, ProofWork):
            raise Undecodable(f"a zkproof-worker was given {type(work).__name__}")
        # outside of the try: a chain that is not configured is our matter, never a rejection of the user's
        # input
        self._guard.check_chain(work.chain_id)
        try:
            check_size(work.ciphertext_with_proof)
            verdict = await self._judge(work)
        except InvalidInput as error:
            verdict = frames.Verdict(0, False, reason=str(error)[:_REASON_CHARS_MAX])
        except Irrecoverable as error:  # would end the request without a vote, for ever
            raise WorkerCrashed(f"{type(error).__name__}: {error}") from error
        for proven in self._results(work, verdict):
            await emit(proven)

    async def _judge(self, work: ProofWork) -> frames.Verdict:
        await self._keys.wait(work.key_id)
        await self._keys.wait(work.crs_id)
        answer = await self._pool.execute(work, lambda _: None)
        if not isinstance(answer, frames.Verdict):
            raise WorkerCrashed(f"the child answered {type(answer).__name__}")
        return answer

    def _results(self, work: ProofWork, verdict: frames.Verdict) -> list[Proven]:
        handles = tuple(ciphertext.handle for ciphertext in verdict.ciphertexts)
        return [
            Proven(
                item=work.item,
                attempt=work.attempt,
                worker=self._worker,
                verified=verdict.verified,
                key_id=work.key_id,
                handles=handles,
                ciphertexts=part,
                reason=verdict.reason,
                agreed=work.agreed,
            )
            for part in split(_distinct(verdict.ciphertexts), len(handles) + len(work.agreed or ()))
        ]


def check_size(raw: bytes) -> None:
    """Raises InvalidInput for an input that is empty or too large to be looked at."""
    if not raw:
        raise InvalidInput("the input is empty")
    if len(raw) > INPUT_BYTES_MAX:
        raise InvalidInput(f"the input has {len(raw)} bytes, {INPUT_BYTES_MAX} are allowed")


def auxiliary_data(work: ProofWork) -> bytes:
    """The 92 bytes that the proof is bound to."""
    return work.contract_address + work.user_address + work.acl_address + work.chain_id.to_bytes(32, "big")


def _distinct(ciphertexts: tuple[Ciphertext, ...]) -> tuple[Ciphertext, ...]:
    return tuple({ciphertext.handle: ciphertext for ciphertext in ciphertexts}.values())
