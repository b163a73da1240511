"""The owner's own reader of its partition of results.v1: assigned, without a group."""

import asyncio
from contextlib import aclosing, suppress
from typing import Any, cast

from streams.domain.errors import LogTruncated
from streams.messages.topics import RESULTS
from streams.ports import Log
from streams.services.graph.inbox import Inbox
from streams.services.graph.truncation import truncated


class ResultsReader:
    """Fills an inbox in a task of its own."""

    def __init__(self, log: Log, shard: int, inbox: Inbox) -> None:
        self._from = log
        self._shard = shard
        self._inbox = inbox
        self._task: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    async def restart(self) -> None:
        """Read on from what the inbox expects."""
        await self.stop()
        self._failure = None
        # from what is expected next, not from what was read last: a restart repairs a gap
        self._task = asyncio.create_task(self._read(self._inbox.end))

    async def stop(self) -> None:
        """Let go of the partition."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def mend(self) -> None:
        """Read on after a gap, or after what ended the reading, which is raised all the same.

        Raises: LogTruncated, then nothing is read on; BrokerError; a defect, which ends the owner.
        """
        failure = self._failure
        if isinstance(failure, LogTruncated):
            offset = self._inbox.end
            raise truncated(RESULTS, self._shard, f"does not hold {offset}, the next to apply") from failure
        await self.restart()
        if failure is not None:
            raise failure

    async def _read(self, start: int) -> None:
        records = self._from.read(RESULTS, self._shard, start)
        try:
            async with aclosing(cast(Any, records)):
                async for record in records:
                    await self._inbox.offer(record)
        except Exception as error:
            # Whatever it is: the owner is told in its next turn, or it would wait for results for ever.
            self._failure = error
            self._inbox.ask_rewind()
