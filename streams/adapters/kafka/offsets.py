"""Offsets in flight of one partition: a commit never passes work that is not finished."""

from collections import deque


class OpenOffsets:
    """One partition during one assignment; offsets begin in order and finish in any."""

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._finished: set[int] = set()
        self._end = 0

    def begin(self, offset: int) -> None:
        """A record was taken; records that compaction or deletion left out are no gap."""
        self._open.append(offset)
        self._end = offset + 1

    def finish(self, offset: int) -> int | None:
        """The offset to commit, everything below it is finished; None when that has not moved."""
        self._finished.add(offset)
        moved = False
        # Only from the front: a commit says that everything below it is done.
        while self._open and self._open[0] in self._finished:
            self._finished.discard(self._open.popleft())
            moved = True
        if not moved:
            return None
        return self._open[0] if self._open else self._end
