"""Memory of a GPU for batches and keys, reserved before anything is allocated.

In two stages: what is asked for is added to what is promised, then the sum of all promises is held against
what there is; where it does not fit the promise is taken back and asked for again a little later. Threads
that reserve at the same moment see each other's promises, so that together they never start what does not
fit.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

import structlog

from streams.domain.errors import DeviceExhausted
from streams.fhe.devices.cuda.gpu import Gpu

PAUSE_S: Final = 0.002  # other batches take milliseconds
ATTEMPTS: Final = 15_000  # half a minute of pauses: longer than any batch in front of this one
log = structlog.get_logger()


class Reservations:
    """What was promised on one GPU."""

    def __init__(self, gpu: Gpu, pause: Callable[[float], None] = time.sleep) -> None:
        self._gpu = gpu
        self._pause = pause
        self._lock = threading.Lock()
        self._promised = 0
        self._resident = 0

    @property
    def promised(self) -> int:
        """Bytes of all batches under way, and of keys that are being uploaded."""
        return self._promised

    def keep(self, nbytes: int) -> None:
        """Counts memory that stays, keys for instance, as not available to batches."""
        with self._lock:
            self._resident += nbytes

    @contextmanager
    def reserved(self, nbytes: int) -> Generator[None]:
        """Memory until the block ends.

        Raises:
            DeviceExhausted: there is not as much, or others hold it for long.
        """
        self._reserve(nbytes)
        try:
            yield
        finally:
            self._add(-nbytes)

    def _reserve(self, nbytes: int) -> None:
        for attempt in range(ATTEMPTS):
            promised = self._add(nbytes)
            available = self._available()
            if promised <= available:
                return
            self._add(-nbytes)
            if nbytes > available:
                break
            if attempt == 0:
                log.info("waits for memory", action="gpu-memory", due=nbytes, available=available)
            self._pause(PAUSE_S)
        raise DeviceExhausted(f"{nbytes} bytes of GPU memory are due, there are {self._available()}")

    def _add(self, nbytes: int) -> int:
        with self._lock:
            self._promised += nbytes
            return self._promised

    def _available(self) -> int:
        # What we hold but for the keys serves batches too: it is theirs now, or is given to the next one.
        memory = self._gpu.memory()
        return memory.free + max(memory.held - self._resident, 0)
