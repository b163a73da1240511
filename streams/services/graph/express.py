"""Messages of components that go out while the transaction that makes them is still being written.

The fence is held by that transaction, so nobody else owns the shard meanwhile. If it is not committed after
all, its records are decided again: the same items with the same ids, whose messages are then sent twice, and
whose results, early or twice, change nothing (the law of interleavings). So what it risks is work that is
done twice, and after a transaction that failed nothing goes out early until one succeeded.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from streams.adapters.kafka.delivery import when_stored
from streams.domain import items as kinds
from streams.domain.errors import BrokerError
from streams.domain.lifecycle import WorkState
from streams.domain.rows import CiphertextRow, MemberRow, WorkRow
from streams.domain.schedule import PIPE_WAIT_MS_MIN
from streams.domain.state import Missing, Read, State
from streams.domain.work import WorkClass
from streams.messages import assembly
from streams.ports import Clock, Log, Position, Transaction
from streams.services.crashpoints import crashpoint
from streams.services.graph.claims import Claims
from streams.services.graph.outgoing import Publication, first_batch, is_large, publication
from streams.services.graph.spans import ItemSpans
from streams.services.graph.surroundings import Surroundings

# Writing rows takes both the processor and the database from the broker, which has an answer in two or three
# milliseconds when it is left alone.
_HEAD_START_S: Final = 0.005

Key = tuple[str, str, int]  # of an item's attempt


class Report(msgspec.Struct):
    """What the broker said of a message, and when; it has nothing before that."""

    at_us: int = 0
    outcome: Position | BrokerError | None = None


async def append(log: Log, clock: Clock, record: Publication, point: str) -> Report:
    """Append a record and wait for what the broker says; `point` is passed once the broker has it."""
    report = Report()

    def stored() -> None:
        # In the producer's thread: the loop may be busy with rows, and the time is the broker's.
        report.at_us = clock.now_us()
        crashpoint(point)

    with when_stored(stored):
        try:
            report.outcome = await log.append(
                record.topic,
                key=record.key,
                value=record.value,
                headers=record.headers,
                partition=record.partition,
            )
        except BrokerError as error:
            report.outcome = error
    return report


class Express:
    """Messages of one shard that do not wait for the commit."""

    def __init__(self, around: Surroundings, claims: Claims) -> None:
        self._log = around.log
        self._clock = around.clock
        self._graph = around.graph
        self._signer = around.market.signer
        self._claims = claims
        self._is_trusted = False  # whether the last transaction was committed
        self._under_way: dict[Key, asyncio.Task[Report]] = {}
        self._settled: list[WorkRow] = []  # in the transaction that is open
        self._spans = ItemSpans(around.tracing)
        self._since = self._spans.now()

    @property
    def is_open(self) -> bool:
        """Whether messages of new components may go out at once."""
        return self._is_trusted and self._claims.is_idle(WorkClass.TFHE)

    def reads(self, state: State) -> list[Read]:
        """What messages of new components need that decisions do not: stored inputs."""
        if not self.is_open:
            return []
        made = (new for old, new in state.replaced(WorkRow) if old is None and new is not None)
        ready = [item for item in made if item.state is WorkState.READY and item.kind == kinds.COMPUTE]
        wanted = (read for item in first_batch(ready, self._graph) for read in _inputs(state, item))
        return [read for read in dict.fromkeys(wanted) if not state.is_loaded(read)]

    async def send(self, state: State, claimed: Sequence[WorkRow], *, is_last: bool) -> None:
        """Hand over to the producer what can go of these items.

        Args:
            is_last: no other records wait, so what is left to be decided and written of these gives way to
                the messages for a moment.
        """
        if not self._is_trusted:
            return
        self._since = self._spans.now()
        for item in first_batch(claimed, self._graph):
            record = self._record(state, item)
            if record is not None:
                appending = append(self._log, self._clock, record, "express.produced")
                self._under_way[_key(item)] = asyncio.create_task(appending)
                # Handed over at once: the broker works on it while the next one is made.
                await asyncio.sleep(0)
        if self._under_way:
            # At least until the tasks have handed their records over.
            await asyncio.wait(self._under_way.values(), timeout=_HEAD_START_S if is_last else 0)

    async def settle(self, tx: Transaction, claimed: Sequence[WorkRow]) -> list[WorkRow]:
        """Say, in the transaction itself, what the broker has by now; gives the other items."""
        reports = {_key(item): self._reported(item) for item in claimed}
        sent = [(item, report) for item in claimed if (report := reports[_key(item)]) is not None]
        if sent:
            self._settled, times = [item for item, _ in sent], [report.at_us for _, report in sent]
            await tx.dispatched(self._settled, times, self._clock.now_ms() + PIPE_WAIT_MS_MIN)
        return [item for item in claimed if reports[_key(item)] is None]

    def committed(self) -> None:
        """What was sent is true."""
        self._is_trusted = True
        settled, self._settled = self._settled, []
        self._spans.dispatched(settled, self._since)

    def drop(self) -> None:
        """The transaction failed, or the shard is claimed again: what was sent will be sent again."""
        self._is_trusted = False
        self._settled = []
        under_way, self._under_way = self._under_way, {}
        for appending in under_way.values():
            appending.cancel()

    def has(self, item: WorkRow) -> bool:
        """Whether an item's message was sent and its report is still to be taken."""
        return _key(item) in self._under_way

    def take(self, items: Iterable[WorkRow]) -> list[tuple[WorkRow, asyncio.Task[Report]]]:
        """Reports to come of those of the items whose messages were sent; each is given once."""
        return [(item, self._under_way.pop(_key(item))) for item in items if self.has(item)]

    def _reported(self, item: WorkRow) -> Report | None:
        """What the broker said, if it has the message; other outcomes are the dispatcher's to see."""
        appending = self._under_way.get(_key(item))
        if appending is None or not appending.done() or isinstance(appending.result().outcome, BrokerError):
            return None
        return self._under_way.pop(_key(item)).result()

    def _record(self, state: State, item: WorkRow) -> Publication | None:
        """An item's record; None leaves it to the dispatcher, who knows what to do without inputs or room."""
        if item.kind != kinds.COMPUTE:
            return None
        members = _members(state, item)
        try:
            rows = [state.get(read.table, *read.values) for read in _inputs(state, item)]
        except Missing:
            return None
        inputs = [assembly.stored(row) for row in rows if isinstance(row, CiphertextRow)]
        message = assembly.compute(item, members, inputs) if members else None
        record = None if message is None else publication(item, message, self._signer)
        return None if record is None or is_large(record) else record


def _inputs(state: State, item: WorkRow) -> list[Read]:
    """Look-ups of a component's inputs."""
    handles = sorted(assembly.inputs_of(_members(state, item)))
    return [Read(CiphertextRow, CiphertextRow.KEY, (item.tenant, handle)) for handle in handles]


def _members(state: State, item: WorkRow) -> list[MemberRow]:
    """The decision that makes a component has its members at hand; of another one nothing is known."""
    try:
        return state.find(MemberRow, ("tenant", "item"), item.tenant, item.id)
    except Missing:
        return []


def _key(item: WorkRow) -> Key:
    return item.tenant, item.id, item.attempt
