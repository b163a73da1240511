"""What a window has to do, cut into jobs that drivers do beside each other.

A job is a batch of look-ups, the inputs of a few items to load, or a few results to store. `take` chooses
one, `run` does it and touches nothing that is kept here, `give` takes what came of it. So drivers meet only
in `take` and `give`; nobody waits for a decompression, or for the slower half of a batch, but who needs it.

What comes first: results, since they end items; then inputs, since what is not loaded fills no batch (there
are never more than a worker has slots); then look-ups, which the drivers that have them share evenly (a GPU
has more drivers than batches, so that it seldom waits for Python). Results are held until the devices that
computed them were asked and answered rightly (`watch`): they are asked in the course of look-ups, and by a
job of its own where there is nothing else to do.

What fails in a job fails one item alone wherever it can be told which: jobs that load or store several are
tried one by one. What a device raises ends all items that are inside, because nobody knows what it has done;
jobs that are away then come back to a window that does not know them, and are dropped. The same where a
device was found to be wrong: everything inside may have passed through it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TypeAlias, TypeVar

from streams.domain.errors import DeviceDistrusted, OperationError
from streams.domain.results import Ciphertext
from streams.fhe.wave.component import Computed, Result, Value
from streams.fhe.wave.executor import DEFECTS, Outcome, WaveExecutor
from streams.fhe.wave.held import Held
from streams.fhe.wave.items import Item, Stores, Ticket
from streams.fhe.wave.running import Share
from streams.fhe.wave.turns import Flow, Turns, drop_empty, in_lanes
from streams.fhe.wave.watch import TRUSTING, Watch

T = TypeVar("T")
R = TypeVar("R")


@dataclass(eq=False)
class LookUps:
    """A batch."""

    executor: WaveExecutor
    shares: list[Share]
    outcomes: list[Outcome] = field(default_factory=list[Outcome])

    def run(self) -> None:
        """Computes it."""
        self.outcomes = self.executor.run(self.shares)


@dataclass(eq=False)
class Load:
    """Inputs of items."""

    storage: Stores
    tickets: list[Ticket]
    loaded: list[list[Value] | OperationError] = field(default_factory=list[list[Value] | OperationError])

    def run(self) -> None:
        """Decompresses them."""
        self.loaded = apart(self.storage.load, [ticket.item.given for ticket in self.tickets])


@dataclass(eq=False)
class Store:
    """Results of items."""

    storage: Stores
    results: list[Computed]
    stored: list[bytes | OperationError] = field(default_factory=list[bytes | OperationError])

    def run(self) -> None:
        """Compresses them."""
        self.stored = apart(self.storage.store, [each.value for each in self.results])


@dataclass(eq=False)
class Prove:
    """Questions to the devices."""

    watch: Watch

    def run(self) -> None:
        """Asks them."""
        self.watch.prove()


Job: TypeAlias = LookUps | Load | Store | Prove


class Jobs:
    """For one thread at a time, but for what a job does in `run`."""

    def __init__(
        self,
        make_executor: Callable[[], WaveExecutor],
        storage: Stores,
        drivers: int = 1,
        watch: Watch = TRUSTING,
        batches: int = 0,
    ) -> None:
        """Begins empty.

        Args:
            make_executor: of a window, and of the next one after a failure.
            storage: of the items' inputs and results.
            drivers: jobs that are away at a time.
            watch: of the devices.
            batches: of look-ups that devices compute side by side; 0 = as many as there are drivers. One
                more is taken only where it is full, so that it is ready when a device is.
        """
        self._make_executor = make_executor
        self._storage = storage
        self._drivers = drivers
        self._batches = batches or drivers
        self._watch = watch
        self._epoch = watch.epoch  # in which the window began
        self._names = count()
        self._made: WaveExecutor | None = make_executor()
        self._turns = Turns()  # of what is to be loaded
        self._held = Held(watch)
        self._tickets = dict[str, Ticket]()
        self._leaving = deque[Ticket]()
        self._arrived = deque[Ticket]()  # their inputs are not loaded
        self._computed = deque[Computed]()  # not stored
        # A dictionary for its order; values say nothing. What is not in it came from a window that broke.
        self._away = dict[Job, None]()

    @property
    def size(self) -> int:
        """Items that are inside."""
        return len(self._tickets)

    @property
    def has_work(self) -> bool:
        """Whether `take` has something to do now."""
        return bool(
            self._leaving
            or self._computed
            or self._loadable()
            or self._may_look_up
            or self._may_prove
            or self._is_stale
        )

    @property
    def _may_look_up(self) -> bool:
        if self._made is None:
            return False
        # A device with enough to do gains nothing by a small batch, which would be larger a moment later.
        is_free = self._of_look_ups < self._batches
        return self._made.waiting > (0 if is_free else self._made.batch_size - 1)

    @property
    def _of_look_ups(self) -> int:
        """Batches that are away."""
        return sum(isinstance(each, LookUps) for each in self._away)

    @property
    def _may_prove(self) -> bool:
        # Not beside look-ups, in whose course devices are asked: alone, a question takes a GPU a whole wave.
        is_free = self._of_look_ups < self._batches
        return is_free and bool(self._held) and not any(isinstance(each, Prove) for each in self._away)

    @property
    def _is_stale(self) -> bool:
        """Whether a device was found to be wrong since the window began."""
        return bool(self._tickets) and self._watch.epoch != self._epoch

    def enter(self, item: Item) -> Ticket:
        """The item's place; its inputs are loaded with the next jobs."""
        ticket = Ticket(str(next(self._names)), item, set(item.outputs))
        if not self._tickets:
            self._epoch = self._watch.epoch  # nothing is inside that came from an earlier one
        self._tickets[ticket.name] = ticket
        self._arrived.append(ticket)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Nothing is computed for this item any more, from the next `take` on."""
        # Only noted: a generator that nobody holds any more is closed wherever its last reference goes.
        self._leaving.append(ticket)

    def take(self) -> Job | None:
        """What comes first, if there is something that nobody does yet; raises DeviceDistrusted."""
        self._let_go()
        if not self._tickets:
            return None
        self._require_trust()
        job = self._store() or self._load() or self._look_ups() or self._prove()
        if job is not None:
            self._away[job] = None
        return job

    def give(self, job: Job) -> None:
        """Takes what came of a job; raises DeviceDistrusted."""
        if job not in self._away:
            return
        self._require_trust()
        match job:
            case LookUps():
                self._executor.give(job.outcomes)
            case Load():
                self._submit(job)
            case Store():
                self._hold(job)
            case Prove():
                pass
        self._collect(self._executor.results())
        self._hand_out()
        # Last: what is raised above is told by `fail` to all that are inside, as long as the job is theirs.
        del self._away[job]

    def fail(self, job: Job | None, error: BaseException) -> None:
        """The device failed: all that is inside ends, and a new window begins."""
        if job is not None and job not in self._away:
            return
        for ticket in self._tickets.values():
            # What is settled is: its thread is about to see it.
            if ticket.left:
                ticket.ended = ticket.ended or error
        for each in (self._tickets, self._leaving, self._arrived, self._computed, self._held, self._away):
            each.clear()
        # Made when it is needed: what the device lacks now, memory for instance, may be there again by then.
        if self._made is not None:
            self._made.close()
        self._made = None
        self._epoch = self._watch.epoch

    @property
    def _executor(self) -> WaveExecutor:
        if self._made is None:
            self._made = self._make_executor()
        return self._made

    def _require_trust(self) -> None:
        if self._is_stale:
            raise DeviceDistrusted

    def _let_go(self) -> None:
        if not self._leaving:
            return
        while self._leaving:
            self._take_out(self._leaving.popleft())
        if self._made is not None:
            # Others may have room now; those on known values are through at once.
            self._made.start()
            self._collect(self._made.results())

    def _take_out(self, ticket: Ticket) -> None:
        if self._tickets.pop(ticket.name, None) is None:
            return
        if self._made is not None:
            self._made.withdraw(ticket.name)
        self._arrived = deque(each for each in self._arrived if each is not ticket)
        self._computed = deque(each for each in self._computed if each.component != ticket.name)
        self._held.drop(ticket.name)

    def _store(self) -> Store | None:
        results, room = list[Computed](), self._executor.batch_size
        # The first ones that make a batch together, one at least.
        while self._computed and (not results or len(self._computed[0].value.blocks) <= room):
            results.append(self._computed.popleft())
            room -= len(results[-1].value.blocks)
        return Store(self._storage, results) if results else None

    def _load(self) -> Load | None:
        queues, tickets = in_lanes(self._loadable(), _flow), list[Ticket]()
        room = self._executor.batch_size
        while queues:
            tenant, lane, _ = self._turns.next(queues, self._executor.batch_size)
            blocks = _blocks(queues[tenant][lane][0])
            if tickets and blocks > room:
                break
            tickets.append(queues[tenant][lane].popleft())
            self._turns.charge(tenant, lane, blocks)
            drop_empty(queues, tenant, lane)
            room -= blocks
        self._arrived = deque(each for each in self._arrived if each not in tickets)
        return Load(self._storage, tickets) if tickets else None

    def _prove(self) -> Prove | None:
        return Prove(self._watch) if self._may_prove else None

    def _look_ups(self) -> LookUps | None:
        if not self._may_look_up:
            return None
        others = len(self._away) - self._of_look_ups
        shares = self._executor.take(max(1, min(self._batches, self._drivers - others)))
        return LookUps(self._executor, shares) if shares else None

    def _loadable(self) -> list[Ticket]:
        """Arrived items, but for those whose inputs are being loaded for others: soon they are at hand."""
        loading = [ticket for job in self._away if isinstance(job, Load) for ticket in job.tickets]
        busy = {digest for ticket in loading for digest in _digests(ticket)}
        tickets = [ticket for ticket in self._arrived if busy.isdisjoint(_digests(ticket))]
        if self._made is None or not self._made.lacks_room:
            return tickets
        # What is loaded would only wait as well, in memory that nobody has counted. But one item of each that
        # has none inside is: else it had no place in the line, in which everybody gets turns.
        inside, firsts = {*self._made.flows, *map(_flow, loading)}, list[Ticket]()
        for ticket in tickets:
            if _flow(ticket) not in inside:
                inside.add(_flow(ticket))
                firsts.append(ticket)
        return firsts

    def _submit(self, job: Load) -> None:
        for ticket, values in zip(job.tickets, job.loaded, strict=True):
            # Its thread may have gone meanwhile.
            if ticket.name not in self._tickets:
                continue
            try:
                self._executor.submit(ticket.component(_required(values)))
            except OperationError as error:
                ticket.ended = error
        self._executor.start()

    def _hold(self, job: Store) -> None:
        stored = list[tuple[str, Ciphertext]]()
        for result, outcome in zip(job.results, job.stored, strict=True):
            if isinstance(outcome, OperationError):
                self._settle(result, outcome)
            elif result.component in self._tickets:
                stored.append((result.component, _ciphertext(result, outcome)))
        self._held.add(stored, self._epoch)

    def _hand_out(self) -> None:
        for component, ciphertext in self._held.released():
            ticket = self._tickets.get(component)
            if ticket is not None:
                ticket.settle(ciphertext.handle, ciphertext)

    def _collect(self, results: Iterable[Result]) -> None:
        for result in results:
            if isinstance(result, Computed):
                self._computed.append(result)
            else:
                self._settle(result, _told(result.error))

    def _settle(self, result: Result, outcome: Ciphertext | OperationError) -> None:
        ticket = self._tickets.get(result.component)
        if ticket is not None:
            ticket.settle(result.handle, outcome)


def apart(call: Callable[[Sequence[T]], Sequence[R]], given: Sequence[T]) -> list[R | OperationError]:
    """Results in order, of one call or, where that fails by what it was given, of one for each.

    Raises:
        BaseException: what is nobody's fault.
    """
    try:
        return list(call(given))
    except DEFECTS as error:
        if len(given) == 1:
            return [_told(error)]
    return [outcome for each in given for outcome in apart(call, [each])]


def _told(error: Exception) -> OperationError:
    # One of its own for each that raises it; of other types, the type is part of the text.
    is_typed = isinstance(error, OperationError)
    told = OperationError(str(error) if is_typed else f"{type(error).__name__}: {error}")
    told.__cause__ = error
    return told


def _required(values: list[Value] | OperationError) -> list[Value]:
    if isinstance(values, OperationError):
        raise values
    return values


def _ciphertext(result: Computed, ct64: bytes) -> Ciphertext:
    return Ciphertext(handle=result.handle, fhe_type=result.value.fhe_type, ct64=ct64)


def _digests(ticket: Ticket) -> set[bytes]:
    return {number.digest for number in ticket.item.given.numbers}


def _flow(ticket: Ticket) -> Flow:
    return ticket.item.tenant, (ticket.item.contract, ticket.item.priority)


def _blocks(ticket: Ticket) -> int:
    return sum(number.packed.blocks for number in ticket.item.given.numbers)
