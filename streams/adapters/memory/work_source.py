"""The work source's twin: one member that holds the partitions it is given."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from streams.adapters.held_work import HeldWork
from streams.adapters.kafka.offsets import OpenOffsets
from streams.adapters.memory.log import MemoryLog


class MemoryWorkSource:
    """ports.WorkSource over a MemoryLog; `committed` outlives it, as a group's offsets do."""

    def __init__(
        self,
        log: MemoryLog,
        topic: str,
        slots: int,
        partitions: Sequence[int],
        committed: dict[int, int] | None = None,
    ) -> None:
        self._log, self._topic, self._slots = log, topic, slots
        self._partitions = tuple(partitions)
        self.committed: dict[int, int] = {} if committed is None else committed
        self._next = {partition: self.committed.get(partition, 0) for partition in partitions}
        self._open = {partition: OpenOffsets() for partition in partitions}
        self._out: list[HeldWork] = []
        self._changed = asyncio.Event()
        self._is_stopping = False

    async def items(self) -> AsyncGenerator[HeldWork, None]:
        """Items as slots are free, until the source is stopped."""
        while not self._is_stopping:
            work = await self._take() if len(self._out) < self._slots else None
            if work is None:
                await self._wait()
                continue
            self._out.append(work)
            yield work

    def partitions(self) -> Sequence[int]:
        """Partitions held."""
        return self._partitions

    async def stop(self) -> None:
        """Take no more and wait for what is out."""
        self._is_stopping = True
        self._changed.set()
        while self._out:
            self._changed.clear()
            await self._changed.wait()

    def _release(self, work: HeldWork) -> None:
        self._out.remove(work)
        offset = work.offsets.finish(work.record.offset)
        if offset is not None:
            self.committed[work.record.partition] = offset
        self._changed.set()

    async def _take(self) -> HeldWork | None:
        for partition in self._partitions:
            at = self._next[partition]
            _, end = await self._log.bounds(self._topic, partition)
            if at >= end:
                continue
            self._next[partition] = at + 1
            self._open[partition].begin(at)
            record = self._log.records(self._topic, partition)[at]
            return HeldWork(record, self._open[partition], self._release)
        return None

    async def _wait(self) -> None:
        self._changed.clear()
        waits = [asyncio.ensure_future(self._changed.wait()), asyncio.ensure_future(self._log.grown())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
