"""What has come of one topic for one shard and is not applied yet, without duplicates and gaps."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from streams.ports import Record

RECORDS_MAX: Final = 64  # pending; who offers more waits
BATCH_BYTES_MAX: Final = 4 * 1024 * 1024  # of one transaction

Ack = Callable[[], object]


def no_ack() -> None:
    """For records that nobody counts."""


class Inbox:
    """Consecutive records from the next offset on."""

    def __init__(self, topic: str, wake: Callable[[], None]) -> None:
        self.topic = topic
        self.next_off = 0
        self._wake = wake
        self._pending: deque[tuple[Record, Ack]] = deque()
        self._room = asyncio.Event()
        self._rewind = False
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def end(self) -> int:
        """Offset of the record that is expected next."""
        return self.next_off + len(self._pending)

    def rebase(self, next_off: int) -> None:
        """The store says what is next; what is pending stays where it fits."""
        # After a lost connection what is here is still right: it need not be read again.
        if self._pending and self.next_off <= next_off <= self.end:
            self.advance(next_off)
            return
        self._pending.clear()
        self.next_off = next_off
        self._rewind = False
        self._room.set()

    def ask_rewind(self) -> None:
        """Something is missing that no later record shows."""
        self._rewind = True
        self._wake()

    async def offer(self, record: Record, ack: Ack = no_ack) -> None:
        """Take a record that is next; waits for room. One applied before is acknowledged, others dropped."""
        # Only who brings the next record waits: a duplicate or a gap is decided at once, without room.
        while len(self._pending) >= RECORDS_MAX and record.offset >= self.end and not self._is_closed:
            self._room.clear()
            await self._room.wait()
        if self._is_closed:
            return  # it comes again to the owner after this one
        if record.offset < self.next_off:
            # it was applied by an owner before, Kafka was only not told
            ack()
        elif record.offset == self.end:
            self._pending.append((record, ack))
            self._rewind = False
            self._wake()
        elif record.offset > self.end:
            self._rewind = True  # a record was lost on the way
            self._wake()

    def close(self) -> None:
        """Take nothing more; who waits for room goes on."""
        self._is_closed = True
        self._room.set()

    def take_rewind(self) -> bool:
        """Whether a gap was seen since the last question."""
        is_asked, self._rewind = self._rewind, False
        return is_asked

    def peek(self, limit: int) -> list[Record]:
        """The next records to apply, few enough for one transaction."""
        batch: list[Record] = []
        size = 0
        for record, _ in self._pending:
            size += len(record.value or b"")
            # at least one record, however large it is
            if len(batch) == limit or (batch and size > BATCH_BYTES_MAX):
                break
            batch.append(record)
        return batch

    def advance(self, next_off: int) -> None:
        """Everything below is applied: acknowledge and forget it."""
        while self._pending and self._pending[0][0].offset < next_off:
            _, ack = self._pending.popleft()
            ack()
        self.next_off = next_off
        self._room.set()
