"""zkproof-worker: verifies encrypted inputs and makes ciphertexts of them."""

from typing import Final

import msgspec

from streams.services.runtime import Runtime
from streams.services.worker.loop import Executor
from streams.services.worker.proof import ProofExecutor
from streams.services.worker.service import Kind, Tools, run_worker
from streams.settings import ZkproofSettings

KIND: Final = Kind("zkproof", memory_bytes_max=1_400_000_000, needs_crs=True)


async def run(runtime: Runtime) -> None:
    """The service; returns when it was told to stop and has drained."""
    await run_worker(runtime, kind_of(runtime.settings.zkproof), _executor)


def kind_of(settings: ZkproofSettings) -> Kind:
    """The worker that the settings ask for."""
    return msgspec.structs.replace(
        KIND, slots_max=settings.worker_thread_count, key_cache_size=settings.key_cache_size
    )


def _executor(tools: Tools) -> Executor:
    return ProofExecutor(tools.pool, tools.keys, tools.guard, tools.worker)
