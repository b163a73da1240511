"""The shards of one process: owners made and ended with Faust's assignment, swept once a second."""

import asyncio
from collections.abc import Collection, Iterable
from typing import Final

import structlog

from streams.domain.control import Command
from streams.domain.errors import Fatal, Fenced, StoreError
from streams.messages.codec import key_of
from streams.messages.topics import EVENTS
from streams.ports import Record
from streams.services.first import first_of
from streams.services.graph.inbox import Ack
from streams.services.graph.owner import Owner
from streams.services.graph.surroundings import Surroundings

CLOSE_S: Final = 10.0  # for the turns that are under way
# A fenced owner that still believes to be assigned lost its connection to the broker; it will learn of the
# rebalance. Claiming back at once would fence the owner after it, and so on.
FENCED_PAUSE_S: Final = 20.0
_SWEEP: Final = "sweep"  # in health

_log = structlog.get_logger(__name__)


class Shards:
    """Owners by shard."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._owners: dict[int, tuple[Owner, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # those that are ending too
        self._fenced_s: dict[int, float] = {}
        self._changed = asyncio.Event()
        self._sweep_now = asyncio.Event()
        self._is_failing = False  # the last sweep, for a reason that nobody foresaw
        self._waiting: dict[bytes, Command] = {}  # by key, for owners to come
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def busy(self) -> int:
        """Records that are not applied and items that are claimed."""
        return sum(owner.busy for owner, _ in self._owners.values())

    @property
    def owned(self) -> list[int]:
        """Shards that have an owner here."""
        return sorted(self._owners)

    async def offer(self, shard: int, record: Record, ack: Ack) -> None:
        """Hand an event to its shard's owner; waits until there is one."""
        while shard not in self._owners:
            self._changed.clear()
            await self._changed.wait()
        await self._owners[shard][0].offer(record, ack)

    def command(self, command: Command) -> None:
        """Hand an operator's command to the owner of the tenant's shard, now or when it is here."""
        # Kept although an owner is here: the shard may move, and its next owner must hear of it (a command
        # that was carried out does nothing).
        key = key_of(command)
        # read again, after the broker was away: an owner that is here has it, and keeps it until it is done
        if self._waiting.get(key) == command:
            return
        self._waiting[key] = command
        shard = self._around.log.partition_of(EVENTS, command.tenant.encode())
        if shard in self._owners:
            self._owners[shard][0].command(command)

    async def assign(self, shards: Collection[int]) -> None:
        """Be the owner of exactly these shards."""
        await self.release([shard for shard in self._owners if shard not in shards])
        now_s = self._around.clock.monotonic_s()
        for shard in shards:
            # fenced: not before its pause is over, or a new assignment has told otherwise
            if shard not in self._owners and self._fenced_s.get(shard, now_s) <= now_s:
                self._start(shard)

    async def release(self, shards: Iterable[int]) -> None:
        """End these owners after the turn that each is in."""
        await asyncio.gather(*self._let_go(shards), return_exceptions=True)

    def forget_fences(self) -> None:
        """A new assignment: who was fenced may own again."""
        self._fenced_s.clear()

    def wake(self) -> None:
        """Sweep now: the workers have changed."""
        self._sweep_now.set()

    def fail(self, error: BaseException) -> None:
        """End the process with this error, or with the one that came before it."""
        if not self.failure.done():
            self.failure.set_exception(error)

    async def sweep_for_ever(self) -> None:
        """Sweep every so often (a second, unless set), and at once when woken; raises Fatal."""
        while True:
            await self._try_to_sweep()
            await self._pause()

    async def close(self) -> None:
        """End all owners, also those that were told to end before, and before long.

        A turn that waits for a broker or a database that is away gains nothing by more patience.
        """
        self._let_go(self._owners)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=CLOSE_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=CLOSE_S)  # a connection may be slow to let go of

    def _let_go(self, shards: Iterable[int]) -> list[asyncio.Task[None]]:
        """Tell owners to end; what they still do."""
        # out of the table first: events that come now wait for the next owner
        ending = [self._owners.pop(shard) for shard in list(shards) if shard in self._owners]
        for owner, _ in ending:
            owner.stop()
        return [task for _, task in ending]

    async def _try_to_sweep(self) -> None:
        """Sweep, whatever happened to the sweep before: without one nothing is retried, claimed or late."""
        try:
            await self._sweep()
        except Fatal:
            raise
        except Exception as error:
            # Not the end of the process: what it stumbles over may be stored, and every process after it
            # would end the same way.
            self._around.health(_SWEEP, False, f"{type(error).__name__}: {error}")
            _log.error("sweep failed", action="sweep_failed", exc_info=error)
            self._is_failing = True
        else:
            if self._is_failing:
                self._around.health(_SWEEP, True, "")
            self._is_failing = False

    async def _sweep(self) -> None:
        around, workers = self._around, self._around.market.workers
        # unknown is not dead: without a view nothing is called overdue by its worker
        live = workers.ids() if workers.is_known else set[str]()
        try:
            now_ms, standing = around.clock.now_ms(), workers.standing
            demands = await around.store.demand(now_ms, live, standing.tenants, standing.weights())
            outstanding = await around.store.outstanding()
            unsent = await around.store.unsent()
        except StoreError as error:
            around.health("database", False, str(error))
            return
        around.health("database", True, "")
        doable = around.market.doable(demands)
        around.market.update(doable, outstanding)
        around.observe(demands, unsent)
        moving = [demand for demand in doable if demand.work_class not in standing.classes]
        due = {demand.shard for demand in moving if demand.ready}
        due |= {demand.shard for demand in demands if demand.overdue and workers.is_known}
        for shard, (owner, _) in self._owners.items():
            owner.audit()
            # Only where there is something to do: an idle shard costs no query but this common one.
            if shard in due:
                owner.sweep()

    async def _pause(self) -> None:
        pause_s = self._around.graph.worker_polling_interval_ms / 1000
        await first_of(self._around.clock.sleep(pause_s), self._sweep_now.wait())
        self._sweep_now.clear()

    def _start(self, shard: int) -> None:
        owner = Owner(shard, self._around)
        task = asyncio.create_task(owner.run())
        self._owners[shard] = (owner, task)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(shard, done))
        for command in self._waiting.values():
            if self._around.log.partition_of(EVENTS, command.tenant.encode()) == shard:
                owner.command(command)
        self._changed.set()

    def _ended(self, shard: int, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        known = self._owners.get(shard)
        if known is not None and known[1] is task:
            del self._owners[shard]
        error = None if task.cancelled() else task.exception()
        # Somebody else has it: not an error of this process, which goes on with its other shards.
        if isinstance(error, Fenced):
            self._fenced_s[shard] = self._around.clock.monotonic_s() + FENCED_PAUSE_S
            _log.warning("shard has another owner", action="fenced", shard=shard, error=str(error))
        elif error is not None:
            self.fail(error)
