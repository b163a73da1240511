"""The owner of one shard: claims it, then serves results, events, commands and dispatching in turns.

There is one loop and one transaction at a time. Lost connections and broker errors are waited out; after a
lost connection the shard is claimed again, because the fate of the last transaction is unknown. Another
owner's claim ends this one with Fenced.
"""

import asyncio
from collections import deque
from typing import Final

import structlog

from streams.domain.control import Acknowledgement, Command
from streams.domain.errors import BrokerError, StoreError
from streams.messages.codec import key_of
from streams.messages.topics import EVENTS, RESULTS
from streams.ports import Offset, Record
from streams.services.crashpoints import crashpoint
from streams.services.first import first_of
from streams.services.graph import acknowledging, truncation
from streams.services.graph.batch import Applier
from streams.services.graph.claims import CLASSES, Claims
from streams.services.graph.dispatch import Dispatcher
from streams.services.graph.express import Express
from streams.services.graph.inbox import Ack, Inbox
from streams.services.graph.results import ResultsReader
from streams.services.graph.surroundings import Surroundings
from streams.services.graph.sweep import take_back

_PAUSES_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # between attempts, the last for ever
_NAMED: Final = 10  # items in one line of the log
_TAIL_S: Final = 3.0  # how long the end of the log may be missing before it is asked for again

_log = structlog.get_logger(__name__)


class Owner:
    """One shard in the hands of this process."""

    def __init__(self, shard: int, around: Surroundings) -> None:
        self._shard = shard
        self._around = around
        self._log = _log.bind(shard=shard)
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._claimed = asyncio.Event()
        self._epoch = 0
        # a sweep is wanted in the next turn
        self._is_due = False
        self._commands: deque[Command] = deque()
        self._heard: dict[bytes, Command] = {}
        self._tail: tuple[int, float] | None = None  # where the events stand still, since when
        self._failures = 0  # since the last turn that ended well
        self.events = Inbox(EVENTS, self._stir)
        self.results = Inbox(RESULTS, self._stir)
        self._reader = ResultsReader(around.log, shard, self.results)
        self._claims = Claims(shard, around.market, around.clock)
        express = Express(around, self._claims)
        self._applier = Applier(shard, around, self._claims, express)
        self._dispatcher = Dispatcher(shard, around, self._claims, express)

    @property
    def busy(self) -> int:
        """Records that are not applied and items that are claimed."""
        return len(self.events) + len(self.results) + len(self._dispatcher)

    async def offer(self, record: Record, ack: Ack) -> None:
        """Take an event of the shard; waits until the shard is claimed and there is room."""
        # before the claim nobody knows which offset is next
        await self._claimed.wait()
        await self.events.offer(record, ack)

    def command(self, command: Command) -> None:
        """Carry out an operator's command in the next turn."""
        self._heard[key_of(command)] = command
        self._commands.append(command)
        self._wake.set()

    def sweep(self) -> None:
        """Look for retries that are due, deadlines and credit in the next turn."""
        self._is_due = True
        self._wake.set()

    def audit(self) -> None:
        """Ask for the end of the log again when it stays away: no later record will show the loss."""
        end = self._around.feed.end(self._shard)
        now_s = self._around.clock.monotonic_s()
        # Whatever moves, or has nothing more to come, is no loss.
        if not self._claimed.is_set() or len(self.events) or end is None or end <= self.events.end:
            self._tail = None
        elif self._tail is None or self._tail[0] != self.events.end:
            self._tail = (self.events.end, now_s)
        elif now_s - self._tail[1] >= _TAIL_S:
            self._tail = None
            self.events.ask_rewind()

    def stop(self) -> None:
        """End after the turn that is under way."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Serve until stopped; raises Fenced, LogTruncated."""
        try:
            while not self._stopping.is_set():
                try:
                    await self._claim()
                    await self._serve()
                except StoreError as error:
                    self._around.health("database", False, str(error))
                    await self._wait_out(error)
                except BrokerError as error:
                    await self._wait_out(error)
        finally:
            self.events.close()
            self._claimed.set()  # who waits with an event goes on, and finds the inbox closed
            await self._reader.stop()

    async def _claim(self) -> None:
        log, store = self._around.log, self._around.store
        topics = {EVENTS: await log.topic_id(EVENTS), RESULTS: await log.topic_id(RESULTS)}
        if self._epoch:
            # Who lost the database for a while, or slept, takes nothing back from an owner that came since.
            async with store.begin(self._shard, self._epoch):
                pass
        # From here on nobody else writes this shard: the epoch of whoever had it before is no longer the
        # last.
        claim = await store.claim(self._shard, self._around.owner, topics)
        self._epoch = claim.epoch
        self._applier.halted = set(claim.halted)
        # All again: a database that failed over may have lost what was carried out; twice they do nothing.
        self._commands = deque(self._heard.values())
        for offset in claim.offsets:
            await self._check(offset, topics[offset.topic])
            inbox = self.events if offset.topic == EVENTS else self.results
            inbox.rebase(offset.next_off)
        # Memory is of an older epoch: what is claimed is read from the table again.
        self._dispatcher.reset()
        async with store.begin(self._shard, self._epoch) as tx:
            # Claimed and perhaps never published: published again, as a worker that gets an item twice
            # answers twice, and the second answer changes nothing.
            left = await tx.reclaim()
        if left:
            crashpoint("owner.claimed")
        self._dispatcher.add(left)
        await self._reader.restart()
        self._around.health("database", True, "")
        self._around.health("kafka", True, "")
        places = {offset.topic: offset.next_off for offset in claim.offsets}
        self._log.info("shard claimed", action="shard_claimed", epoch=self._epoch, offsets=places)
        self._is_due = True
        self._claimed.set()

    async def _check(self, offset: Offset, topic_id: str) -> None:
        bounds = await self._around.log.bounds(offset.topic, self._shard)
        truncation.check(offset, self._shard, topic_id, bounds)

    async def _serve(self) -> None:
        while not self._stopping.is_set():
            if not (self._is_due or self._commands or self.busy):
                await self._wake.wait()
            # Cleared before the turn, not after: what comes meanwhile wakes the next one.
            self._wake.clear()
            try:
                await self._turn()
                if self._failures:
                    self._around.health("kafka", True, "")
                # Not before: what claims and then fails at each turn is to ask less and less often, too.
                self._failures = 0
            except BrokerError as error:
                await self._wait_out(error)
            self._around.changed()

    async def _turn(self) -> None:
        # The order of a turn: gaps first, then operators, then results before facts, because a result frees
        # credit and memory and a fact asks for more.
        await self._mend()
        while self._commands:
            await self._obey(self._commands[0])
            # taken off when it was carried out: an error in between repeats it
            self._commands.popleft()
        await self._apply(self.results)
        await self._apply(self.events)
        if self._is_due:
            await self._sweep()
        if len(self._dispatcher):
            await self._dispatcher.turn(self._epoch)

    async def _obey(self, command: Command) -> None:
        if isinstance(command, Acknowledgement):
            await acknowledging.acknowledge(self._around.store, self._shard, self._epoch, command)
        else:
            self._dispatcher.add(await self._applier.resume(self._epoch, command))

    async def _apply(self, inbox: Inbox) -> None:
        batch = inbox.peek(self._applier.most)
        if batch:
            self._dispatcher.add(await self._applier.apply(self._epoch, batch, inbox.advance))

    async def _sweep(self) -> None:
        self._is_due = False
        clock, workers = self._around.clock, self._around.market.workers
        async with self._around.store.begin(self._shard, self._epoch) as tx:
            # Not before workers are known: at a start everybody would look dead.
            lost = await take_back(tx, clock.now_ms(), workers.ids()) if workers.is_known else []
            claimed = await self._claims.claim(tx, self._epoch, CLASSES)
        crashpoint("owner.swept")
        self._dispatcher.add(claimed)
        if lost:
            self._log.warning("items are late or lost", action="requeued", items=lost[:_NAMED])

    async def _mend(self) -> None:
        """A gap: read again from what is expected.

        Raises: LogTruncated when the log does not have it; BrokerError, then it is to be asked for once more.
        """
        if self.results.take_rewind():
            await self._reader.mend()
        if self.events.take_rewind():
            try:
                await self._rewind_events()
            except BrokerError:
                self.events.ask_rewind()
                raise

    async def _rewind_events(self) -> None:
        topic_id = await self._around.log.topic_id(EVENTS)
        await self._check(Offset(EVENTS, topic_id, self.events.end), topic_id)
        self._log.warning("events are read again", action="rewind", offset=self.events.end)
        await self._around.feed.seek(self._shard, self.events.end)

    async def _wait_out(self, error: Exception) -> None:
        if isinstance(error, BrokerError):
            self._around.health("kafka", False, str(error))
        pause_s = _PAUSES_S[min(self._failures, len(_PAUSES_S) - 1)]
        self._log.warning("waiting", action="wait_out", error=str(error), seconds=pause_s)
        self._failures += 1
        await first_of(self._around.clock.sleep(pause_s), self._stopping.wait())

    def _stir(self) -> None:
        self._wake.set()
        self._around.changed()
