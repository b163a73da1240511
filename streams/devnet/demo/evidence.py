"""What the broker and the database say of a service that is stopped: whether it has work in hand.

- `graph`: a record that was in its logs before the stop is not applied.
- A worker, the sender: it said that it started an item, and nothing more of it, although every result that
  is in the log is applied. The item's offset stays until its last result is acknowledged.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from streams.adapters.kafka.positions import LogState
from streams.adapters.postgres.progress import Queue
from streams.devnet.demo.kill import Prove
from streams.domain.work import WorkClass
from streams.messages.topics import EVENTS, RESULTS
from streams.ports import Offset

CLASSES: Final[Mapping[str, WorkClass]] = {
    "tfhe-worker": WorkClass.TFHE,
    "sns-worker": WorkClass.SNS,
    "transaction-sender": WorkClass.SENDER,
}
APPLY_S: Final = 1.0  # far below the silence after which the stopped service would count as dead
_LOOK_S: Final = 0.01

Ends = Mapping[tuple[str, int], int]


class Logs(Protocol):
    """What is asked of the broker; raises BrokerError."""

    async def logs(self, topics: Sequence[str]) -> Mapping[str, LogState]:
        """Bounds of topics."""
        ...


class Tables(Protocol):
    """What is asked of the database; raises StoreError."""

    async def offsets(self) -> Mapping[tuple[str, int], Offset]:
        """What the owners of shards apply next."""
        ...

    async def queues(self) -> Sequence[Queue]:
        """Work by class."""
        ...

    async def in_hand(self, work_class: str, pid: int) -> int:
        """Items that a process has started and not answered, as far as results are applied."""
        ...


def prover(service: str, logs: Logs, tables: Tables) -> Prove:
    """How a process of this service is shown to be busy."""
    if service not in CLASSES:
        return lambda _: Unapplied(logs, tables)  # all shards are in one graph process
    return lambda pid: Unanswered(CLASSES[service], pid, logs, tables)


class Unapplied:
    """Records of the graph's logs that are not applied."""

    def __init__(self, logs: Logs, tables: Tables) -> None:
        self._logs = logs
        self._tables = tables
        self._before: Ends = {}

    async def is_likely(self) -> bool:
        """Something is not applied; what is in the logs now will have been there before the stop."""
        self._before = await _ends(self._logs, (EVENTS, RESULTS))
        return await self.holds()

    async def holds(self) -> bool:
        """Of what was there before the stop, something is not applied."""
        return await _is_behind(self._tables, self._before)


class Unanswered:
    """Items of a class that a process has started."""

    def __init__(self, work_class: WorkClass, pid: int, logs: Logs, tables: Tables) -> None:
        self._class = work_class
        self._pid = pid
        self._logs = logs
        self._tables = tables

    async def is_likely(self) -> bool:
        """An item is under way: started soon, or just now, or answered a moment ago."""
        return any(q.in_flight for q in await self._tables.queues() if q.work_class == self._class)

    async def holds(self) -> bool:
        """An item that it started is not answered, with every result applied that there is."""
        if not await self._is_applied(await _ends(self._logs, (RESULTS,))):
            return False
        return await self._tables.in_hand(self._class, self._pid) > 0

    async def _is_applied(self, ends: Ends) -> bool:
        """Waits for it a while: whoever applies results may just have been killed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(APPLY_S):
                while True:
                    if not await _is_behind(self._tables, ends):
                        return True
                    await asyncio.sleep(_LOOK_S)
        return False


async def _ends(logs: Logs, topics: Sequence[str]) -> Ends:
    """Where these topics end now, by topic and partition."""
    found = await logs.logs(topics)
    return {
        (topic, partition): end
        for topic, state in found.items()
        for partition, (_, end) in enumerate(state.bounds)
    }


async def _is_behind(tables: Tables, ends: Ends) -> bool:
    applied = await tables.offsets()
    return any(end > (applied[place].next_off if place in applied else 0) for place, end in ends.items())
