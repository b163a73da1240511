"""Memory for the values of operations in flight, promised before an operation begins.

In two stages, as a GPU's for batches (`devices/cuda/memory`): what an operation may come to hold is added to
what is promised, and taken back where the sum is too much. The windows of a process share one reserve.
"""

import threading
from typing import Final

# For operations of those who have nothing else in flight.
_BESIDE_SHARE: Final = 8


class Reserve:
    """For several threads at once."""

    def __init__(self, bytes_max: int = 0) -> None:
        """`bytes_max` of 0 is no bound."""
        self.bytes_max = bytes_max
        self._lock = threading.Lock()
        self._promised = 0
        self._beside = 0

    @property
    def promised(self) -> int:
        """Bytes of all operations in flight."""
        return self._promised + self._beside

    def take(self, nbytes: int, *, is_alone: bool = False) -> bool:
        """Whether an operation may begin; what it may come to hold is promised from then on.

        Args:
            nbytes: that it may come to hold.
            is_alone: nothing else of its window is in flight: then it begins whatever it takes, since
                nothing that ends would make room for it.
        """
        with self._lock:
            self._promised += nbytes
            if is_alone or not self.bytes_max or self._promised <= self.bytes_max:
                return True
            self._promised -= nbytes
            return False

    def take_beside(self, nbytes: int) -> bool:
        """The same out of an account of its own, an eighth of the bound and above it."""
        with self._lock:
            self._beside += nbytes
            if self._beside * _BESIDE_SHARE <= self.bytes_max:
                return True
            self._beside -= nbytes
            return False

    def give_back(self, nbytes: int, *, is_beside: bool = False) -> None:
        """An operation ended."""
        with self._lock:
            if is_beside:
                self._beside -= nbytes
            else:
                self._promised -= nbytes
