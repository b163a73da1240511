"""tfhe-worker: executes the operations of connected components."""

from typing import Final

from streams.services.runtime import Runtime
from streams.services.worker.compute import ComputeExecutor
from streams.services.worker.loop import Executor
from streams.services.worker.service import Kind, Tools, run_worker

KIND: Final = Kind("tfhe", memory_bytes_max=1_400_000_000, has_devices=True, has_window=True)


async def run(runtime: Runtime) -> None:
    """The service; returns when it was told to stop and has drained."""
    await run_worker(runtime, KIND, _executor)


def _executor(tools: Tools) -> Executor:
    return ComputeExecutor(tools.pool, tools.keys, tools.guard, tools.worker)
