"""What was decompressed lately: a token's balance is loaded by every transfer that touches it.

Blocks are kept as they come out of the decompression, before they are re-randomised: that part depends on
the ct64 alone, so a hit gives the words that a miss would have given.
"""

import threading
from collections import OrderedDict
from typing import Final

from streams.fhe.devices.words import Words

CACHE_BYTES_MAX: Final = 64 << 20  # 120 numbers of 64 bits


class Decompressed:
    """The most recently used blocks, by the digest of their ct64; for several threads at once."""

    def __init__(self, bytes_max: int = CACHE_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._blocks: OrderedDict[bytes, Words] = OrderedDict()
        self._bytes = self._generation = 0
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    @property
    def generation(self) -> int:
        """How often everything was let go."""
        with self._lock:
            return self._generation

    def clear(self) -> None:
        """Let everything go, and what is being decompressed now: the device is not believed any more."""
        with self._lock:
            self._blocks.clear()
            self._bytes = 0
            self._generation += 1

    def get(self, digest: bytes) -> Words | None:
        """The blocks, if they are there."""
        with self._lock:
            blocks = self._blocks.get(digest)
            if blocks is None:
                self.misses += 1
                return None
            self._blocks.move_to_end(digest)
            self.hits += 1
            return blocks

    def put(self, digest: bytes, blocks: Words, generation: int = 0) -> None:
        """Keep them for as long as newer ones leave room; what exceeds the bound alone is not kept.

        `generation` is that of the moment at which they were missing: from an earlier one, nothing is kept.
        """
        with self._lock:
            if digest in self._blocks or blocks.nbytes > self._bytes_max or generation != self._generation:
                return
            self._blocks[digest] = blocks
            self._bytes += blocks.nbytes
            while self._bytes > self._bytes_max:
                _, oldest = self._blocks.popitem(last=False)
                self._bytes -= oldest.nbytes
