"""ports.Work as every source gives it out: one record, given back once."""

from collections.abc import Callable

from streams.adapters.kafka.offsets import OpenOffsets
from streams.ports import Record


class HeldWork:
    """One record in the worker's hands, with the offsets of the assignment that it came in."""

    def __init__(self, record: Record, offsets: OpenOffsets, release: Callable[["HeldWork"], None]) -> None:
        self._record = record
        self._release = release
        self.offsets = offsets
        self._is_done = False

    @property
    def record(self) -> Record:
        """What the dispatcher sent."""
        return self._record

    def done(self) -> None:
        """Let its offset go and free its slot; to be called on the event loop, further calls do nothing."""
        if not self._is_done:
            self._is_done = True
            self._release(self)
