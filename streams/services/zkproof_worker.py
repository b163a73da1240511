"""zkproof-worker: verifies encrypted inputs and makes ciphertexts of them."""

from typing import Final

from streams.services.runtime import Runtime
from streams.services.worker.loop import Executor
from streams.services.worker.proof import ProofExecutor
from streams.services.worker.service import Kind, Tools, run_worker

KIND: Final = Kind("zkproof", memory_bytes_max=1_400_000_000, needs_crs=True)


async def run(runtime: Runtime) -> None:
    """The service; returns when it was told to stop and has drained."""
    await run_worker(runtime, KIND, _executor)


def _executor(tools: Tools) -> Executor:
    return ProofExecutor(tools.pool, tools.keys, tools.guard, tools.worker)
