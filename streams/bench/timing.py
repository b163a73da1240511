"""What a number of pieces of work took, of the wall and of the processor."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Timing:
    """So many pieces, all there from the beginning."""

    count: int
    seconds: float
    processor_s: float  # of all threads; a busy neighbour disturbs it less

    @property
    def per_second(self) -> float:
        """Of the wall."""
        return self.count / self.seconds

    @property
    def busy_cores(self) -> float:
        """How many were at work, on average."""
        return self.processor_s / self.seconds

    @property
    def core_s(self) -> float:
        """Processor time of one."""
        return self.processor_s / self.count


def timed(call: Callable[[T], R], given: Sequence[T], at_once: int) -> tuple[Timing, list[R]]:
    """Calls with each, so many at a time; the results in order."""
    started, processor = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(at_once) as threads:
        found = list(threads.map(call, given))
    return Timing(len(given), time.perf_counter() - started, time.process_time() - processor), found
