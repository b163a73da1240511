"""Memory for the values of operations in flight, promised before an operation begins.

In two stages, as a GPU's for batches (`devices/cuda/memory`): what an operation may come to hold is added to
what is promised, and taken back where the sum is too much. The windows of a process share one reserve.
"""

import threading


class Reserve:
    """For several threads at once."""

    def __init__(self, bytes_max: int = 0) -> None:
        """`bytes_max` of 0 is no bound."""
        self.bytes_max = bytes_max
        self._lock = threading.Lock()
        self._promised = 0

    @property
    def promised(self) -> int:
        """Bytes of all operations in flight."""
        return self._promised

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

    def give_back(self, nbytes: int) -> None:
        """An operation ended."""
        with self._lock:
            self._promised -= nbytes
