"""tfhe-worker: executes the operations of connected components."""

from typing import Final

from streams.services.runtime import Runtime
from streams.services.worker.compute import ComputeExecutor
from streams.services.worker.loop import Executor
from streams.services.worker.service import Kind, Tools, run_worker
from streams.settings import WINDOW_MAX

# An item has two or three look-ups at a time, and a large GPU is full with four hundred.
WINDOW_PER_GPU: Final = 256
KIND: Final = Kind(
    "tfhe",
    memory_bytes_max=1_400_000_000,
    has_devices=True,
    has_window=True,
    slots_per_gpu=WINDOW_PER_GPU,
    slots_max=WINDOW_MAX,
)


async def run(runtime: Runtime) -> None:
    """The service; returns when it was told to stop and has drained."""
    await run_worker(runtime, KIND, _executor)


def _executor(tools: Tools) -> Executor:
    return ComputeExecutor(tools.pool, tools.keys, tools.guard, tools.worker)
