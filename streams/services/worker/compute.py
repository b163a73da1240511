"""tfhe-worker's part: a component goes to the child, its outputs go out as they are finished."""

import asyncio

from streams.domain.errors import Undecodable
from streams.domain.results import Ciphertext, Computed
from streams.domain.work import ComputeWork, Work
from streams.services.worker.guard import Guard
from streams.services.worker.keys import Keys
from streams.services.worker.loop import Emit
from streams.services.worker.parts import Outputs, flushed
from streams.services.worker.pool import Computes
from streams.services.worker.process import OnOutput


class ComputeExecutor:
    """Computes components."""

    def __init__(self, pool: Computes, keys: Keys, guard: Guard, worker: str) -> None:
        self._pool = pool
        self._keys = keys
        self._guard = guard
        self._worker = worker

    async def execute(self, work: Work, emit: Emit) -> None:
        """Publish the outputs, in several records if they are many or slow."""
        if not isinstance(work, ComputeWork):
            raise Undecodable(f"a tfhe-worker was given {type(work).__name__}")
        # before the keys: work for a chain that is not ours should not wait for them
        for handle in work.outputs:
            self._guard.check_handle(handle)
        await self._keys.wait(work.key_id)
        outputs = Outputs()
        running = asyncio.create_task(self._pool.execute(work, _once(outputs)))
        # also after a failure: `flushed` ends, and the error is raised by the await below
        running.add_done_callback(lambda _: outputs.put_nowait(None))
        try:
            async for group in flushed(outputs):
                await emit(self._result(work, group))
            await running
        finally:
            # the item was cancelled, or publishing failed: the child's answer is no longer wanted
            running.cancel()

    def _result(self, work: ComputeWork, group: tuple[Ciphertext, ...]) -> Computed:
        return Computed(
            item=work.item,
            attempt=work.attempt,
            worker=self._worker,
            key_id=work.key_id,
            ciphertexts=group,
        )


def _once(outputs: Outputs) -> OnOutput:
    """Takes each output once: a second child repeats what the first one had finished."""
    seen: set[bytes] = set()

    def take(ciphertext: Ciphertext) -> None:
        if ciphertext.handle not in seen:
            seen.add(ciphertext.handle)
            outputs.put_nowait(ciphertext)

    return take
