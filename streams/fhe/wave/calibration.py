"""How fast this machine is now."""

import time
from typing import Final

from streams.fhe.radix.block import Block
from streams.fhe.radix.device_executor import DeviceExecutor
from streams.fhe.radix.steps import LookUp

_ATTEMPTS: Final = 3


def lookup_s(executor: DeviceExecutor) -> float:
    """Seconds of one look-up on the executor's device, the least of a few."""
    wire = executor.seeded(b"measured", 1)[0]
    return min(_seconds(executor, wire) for _ in range(_ATTEMPTS))


def _seconds(executor: DeviceExecutor, block: Block) -> float:
    started = time.perf_counter()
    executor.run([LookUp(block, (_zero,))])
    return time.perf_counter() - started


def _zero(value: int) -> int:
    return 0 * value
