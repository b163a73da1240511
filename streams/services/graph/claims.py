"""Credit, fairness and placement: which ready items of a shard are claimed now, and for whom.

Where nothing waits and there is credit for all of it, what becomes ready is claimed with the rows that say
so, and the store is asked nothing (`at_once`). Where something waits, the queue decides (`claim`).

An item goes to workers alone that have its key set. Where none has it, it stays ready and is in nobody's
way: it is not read from the queue, takes no credit, and its cost counts in no shard's share. Credit is that
of a team, of workers that have the same key sets: items whose workers are few take no credit of the others.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec
import structlog

from streams.domain.features import Feature
from streams.domain.lifecycle import IN_FLIGHT, TERMINAL, WorkState, work_transition
from streams.domain.partition import partition_of
from streams.domain.rows import WorkRow
from streams.domain.schedule import (
    PIPE_ROUNDS,
    SENDER_WAIT_MS,
    Crew,
    Fair,
    Place,
    Rooms,
    Team,
    pipe_deadline_ms,
    place_local,
    place_parallel,
    share,
    weight,
)
from streams.domain.state import Changes, State
from streams.domain.work import WorkClass
from streams.ports import Clock, Demand, Transaction
from streams.services.graph.workers import WorkerView

CLASSES: Final = tuple(WorkClass)
# Classes without heartbeats: what one shard may have in flight.
# The sender keeps its own order and waits for a chain; announcements are appended by the dispatcher itself.
_FIXED: Final[Mapping[str, int]] = {WorkClass.SENDER: 64, WorkClass.PUBLISH: 256}
_PER_CONTRACT_MAX: Final = 64  # candidates that are read of one contract
# Its items go in the order of the queue: nonces are taken in that of their messages.
_ORDERED: Final = WorkClass.SENDER

_NOBODY: Final = Team(frozenset(), 0, frozenset(("",)))  # whose items name no worker

_log = structlog.get_logger(__name__)


class Market:
    """What is wanted and what is there, as of the last sweep; shared by the owners of a process."""

    def __init__(self, workers: WorkerView, counts: Mapping[str, int], schedule: str, signer: bytes) -> None:
        self.workers = workers
        self.counts = counts  # partitions per class
        self.schedule = schedule
        self.signer = signer  # signing address, whose order work.sender keeps
        # By class, key set and shard.
        self._costs: dict[str, dict[bytes, dict[int, int]]] = {}
        self._outstanding: dict[str, dict[str, int]] = {}
        self._stuck: set[tuple[str, bytes]] = set()  # classes and key sets that are ready and nobody has

    def update(self, demands: Iterable[Demand], outstanding: Mapping[str, Mapping[str, int]]) -> None:
        """Take the answers of a sweep."""
        self._costs = defaultdict(lambda: defaultdict(dict))
        for demand in demands:
            self._costs[demand.work_class][demand.key_id][demand.shard] = demand.weighed_cost_ms
        self._outstanding = {work_class: dict(costs) for work_class, costs in outstanding.items()}

    def outstanding(self, work_class: str) -> dict[str, int]:
        """Estimated cost in ms of what each worker has in flight: of all shards at the last sweep, of this
        process's since.
        """
        return self._outstanding.setdefault(work_class, {})

    def charge(self, row: WorkRow, sign: int = 1) -> None:
        """An item went to its worker, or with -1 is no longer there."""
        if row.worker:
            costs = self.outstanding(row.work_class)
            costs[row.worker] = max(costs.get(row.worker, 0) + sign * row.cost_ms, 0)

    @property
    def is_local(self) -> bool:
        """Whether items go where their root lies, by the switch or else by the setting."""
        return self._is_on(Feature.LOCALITY, self.schedule == "MAX_LOCALITY")

    @property
    def is_fair_to_contracts(self) -> bool:
        """Whether contracts of a tenant take turns."""
        return self._is_on(Feature.CONTRACT_FAIRNESS, True)

    def _is_on(self, feature: Feature, default: bool) -> bool:
        return self.workers.standing.is_on(feature, default)

    def credits(
        self, work_class: str, teams: Iterable[Team], shard: int, weighed_ms: Mapping[bytes, int]
    ) -> list[int]:
        """How many items of a class this shard may have in flight at each team.

        `weighed_ms` is the shard's own cost by key set, which may have grown since the sweep.
        """
        if work_class in _FIXED:
            return [self.most(work_class) for _ in teams]
        known = self._costs.get(work_class, {})
        return [self._credit(team, shard, known, weighed_ms) for team in teams]

    def _credit(
        self,
        team: Team,
        shard: int,
        known: Mapping[bytes, Mapping[int, int]],
        weighed_ms: Mapping[bytes, int],
    ) -> int:
        # Only by what the team can do: a shard with little of it has all of the team where others have none.
        able = [by_shard for key_id, by_shard in known.items() if key_id in team.key_ids]
        ready_ms = sum(cost for key_id, cost in weighed_ms.items() if key_id in team.key_ids)
        known_ms = sum(by_shard.get(shard, 0) for by_shard in able)
        others = (cost for by_shard in able for other, cost in by_shard.items() if other != shard)
        return share(PIPE_ROUNDS * team.slots, max(ready_ms, known_ms), others)

    def crew(self, work_class: str) -> Crew | None:
        """Who may be given items of a class now; None where nobody beats for it."""
        return None if work_class in _FIXED else Crew(self.workers.live(work_class))

    def doable(self, demands: Iterable[Demand]) -> list[Demand]:
        """Those of key sets that a live worker has; of others it is said once that nobody does."""
        crews = {work_class: self.crew(work_class) for work_class in CLASSES}
        found: list[Demand] = []
        stuck: set[tuple[str, bytes]] = set()
        for demand in demands:
            crew = crews[WorkClass(demand.work_class)]
            if crew is None or demand.key_id in crew.key_ids:
                found.append(demand)
            elif demand.ready:
                stuck.add((demand.work_class, demand.key_id))
        if self.workers.is_known:
            self._tell_stuck(stuck)
        return found

    def _tell_stuck(self, stuck: set[tuple[str, bytes]]) -> None:
        for work_class, key_id in sorted(stuck - self._stuck):
            _log.warning(
                "no live worker has the key set of items that are ready",
                action="key_without_worker",
                work_class=work_class,
                key_id=key_id.hex(),
            )
        self._stuck = stuck

    def most(self, work_class: str) -> int:
        """What no shard's credit for a class is above; nothing before operators' words are known."""
        if not self.workers.is_known or work_class in self.workers.standing.classes:
            return 0
        if work_class in _FIXED:
            return _FIXED[work_class]
        return PIPE_ROUNDS * sum(worker.slots for worker in self.workers.live(work_class))


class Claims:
    """Claims for one shard."""

    def __init__(self, shard: int, market: Market, clock: Clock) -> None:
        self._shard = shard
        self._market = market
        self._clock = clock
        self._fair: dict[str, Fair] = defaultdict(Fair)
        # begin at the shard's number: owners that start together would all choose the same worker first
        self._turns, self._batches = itertools.count(shard), itertools.count(shard)
        self.halted: set[str] = set()  # tenants whose results are kept, not applied
        # What is in flight, by class and worker; of those classes of which nothing waits.
        self._idle: dict[str, Counter[str]] = {}

    def forget(self) -> None:
        """What is known of the queue may be wrong: it is asked before anything is claimed."""
        self._idle.clear()

    def is_idle(self, work_class: str) -> bool:
        """Whether nothing of a class waits that somebody could do, as far as this owner knows."""
        return work_class in self._idle

    def at_once(self, state: State, epoch: int, since: int = 0) -> list[WorkRow]:
        """Claim, in the state, what decisions since a mark made ready.

        Of each class all or nothing, but for what no worker has the key set of: that waits for one.
        """
        now_ms = self._clock.now_ms()
        ready: dict[str, list[WorkRow]] = defaultdict(list)
        for old, row in state.replaced(WorkRow, since):
            if old is not None and old.state in IN_FLIGHT and (row is None or row.state not in IN_FLIGHT):
                self._end(old)
            if row is not None and row.state is WorkState.READY and row.not_before_ms <= now_ms:
                ready[row.work_class].append(row)
        claimed: list[WorkRow] = []
        for work_class, rows in ready.items():
            crew = self._market.crew(work_class)
            doable = rows if crew is None else [row for row in rows if row.key_id in crew.key_ids]
            at_once = self._at_once(work_class, doable, crew, epoch, now_ms)
            claimed += at_once
            if doable and not at_once:
                self._idle.pop(work_class, None)  # they wait, and nothing goes before them
        for row in claimed:
            state.put(row)
        return claimed

    def waiting(self, changes: Changes) -> list[str]:
        """Classes whose queue has to be asked: something is ready that somebody can do, or gave its credit to
        what waits.
        """
        rows = changes.rows(WorkRow)
        ready: dict[str, set[bytes]] = defaultdict(set)
        for row in rows:
            if row.state is WorkState.READY:
                ready[row.work_class].add(row.key_id)
        doable = {work_class for work_class, key_ids in ready.items() if self._is_doable(work_class, key_ids)}
        ended = {row.work_class for row in rows if row.state in TERMINAL}
        return [name for name in CLASSES if name in doable or (name in ended and name not in self._idle)]

    def _is_doable(self, work_class: str, key_ids: Collection[bytes]) -> bool:
        crew = self._market.crew(work_class)
        return crew is None or not crew.key_ids.isdisjoint(key_ids)

    def sent(self, rows: Iterable[WorkRow]) -> list[str]:
        """Publications are done with the report; gives the classes whose queue has to be asked for that."""
        published = [row for row in rows if row.work_class == WorkClass.PUBLISH]
        for row in published:
            self._end(row)
        return [WorkClass.PUBLISH] if published and not self.is_idle(WorkClass.PUBLISH) else []

    async def claim(self, tx: Transaction, epoch: int, classes: Iterable[str]) -> list[WorkRow]:
        """Claim what credit allows of these classes, in this transaction."""
        claimed: list[WorkRow] = []
        for work_class in classes:
            claimed += await self._claim_class(tx, epoch, work_class)
        if claimed:
            await tx.write(Changes({WorkRow: list(claimed)}, {}))
        return claimed

    async def _claim_class(self, tx: Transaction, epoch: int, work_class: str) -> list[WorkRow]:
        now_ms = self._clock.now_ms()
        self._idle.pop(work_class, None)
        most = self._market.most(work_class)
        crew = self._market.crew(work_class)
        key_ids = None if crew is None else crew.key_ids
        if most <= 0 or (key_ids is not None and not key_ids):
            return []  # nobody is there to do it
        limit = min(most, _PER_CONTRACT_MAX)
        ready = await tx.ready(work_class, now_ms, limit, self._paused(work_class), key_ids, most=most)
        in_flight = Counter(ready.in_flight)
        rooms = self._rooms(work_class, crew, in_flight, ready.items)
        batch = next(self._batches)

        def priority(tenant: str) -> int:
            return self._market.workers.standing.priority(work_class, tenant)

        def claim(row: WorkRow) -> WorkRow | None:
            return self._placed(row, crew, rooms, batch, epoch, now_ms)

        by_contract = self._market.is_fair_to_contracts
        fair = self._fair[work_class]
        claimed = fair.pick(ready.items, rooms.total, by_contract=by_contract, priority=priority, claim=claim)
        # Fewer than could have come of one contract alone, so these were all; and all of them go.
        if len(claimed) == len(ready.items) < min(limit, most - in_flight.total()):
            self._idle[work_class] = in_flight + _by_worker(claimed)
        return claimed

    def _at_once(
        self, work_class: str, rows: list[WorkRow], crew: Crew | None, epoch: int, now_ms: int
    ) -> list[WorkRow]:
        in_flight = self._idle.get(work_class)
        if in_flight is None or work_class == _ORDERED or self._market.most(work_class) <= 0:
            return []
        if not self._paused(work_class).isdisjoint(row.tenant for row in rows):
            return []
        rooms = self._rooms(work_class, crew, in_flight, rows)
        if len(rows) > rooms.total:
            return []
        batch = next(self._batches)
        found = (self._placed(row, crew, rooms, batch, epoch, now_ms) for row in rows)
        claimed = [row for row in found if row is not None]
        if len(claimed) < len(rows):
            for row in claimed:
                self._market.charge(row, -1)
            return []
        in_flight.update(_by_worker(claimed))
        return claimed

    def _end(self, row: WorkRow) -> None:
        """It gives its credit back; where something waits, the queue counts what is in flight."""
        self._market.charge(row, -1)
        if row.work_class in self._idle:
            self._idle[row.work_class][row.worker] -= 1

    def _paused(self, work_class: str) -> frozenset[str]:
        paused = self._market.workers.standing.tenants
        # Of tenants that are halted no result would end their items: workers would compute them again and
        # again.
        return paused if work_class in _FIXED else paused | self.halted

    def _rooms(
        self, work_class: str, crew: Crew | None, in_flight: Mapping[str, int], rows: Iterable[WorkRow]
    ) -> Rooms:
        """How many more items may go to whom, of which these are ready."""
        priority = self._market.workers.standing.priority
        weighed_ms: dict[bytes, int] = defaultdict(int)
        for row in rows:
            weighed_ms[row.key_id] += row.cost_ms * weight(priority(work_class, row.tenant))
        teams = [_NOBODY] if crew is None else crew.teams()
        return Rooms(teams, self._market.credits(work_class, teams, self._shard, weighed_ms), in_flight)

    def _placed(
        self, row: WorkRow, crew: Crew | None, rooms: Rooms, batch: int, epoch: int, now_ms: int
    ) -> WorkRow | None:
        """The item as it is claimed for a place; None where there is none now."""
        place = self._fixed(row) if crew is None else self._among(crew, rooms, row, batch)
        if place is None:
            return None
        claimed = _claimed(row, place, epoch, now_ms)
        # counted at once: the next item of this batch goes to somebody else
        self._market.charge(claimed)
        rooms.take(place.worker)
        return claimed

    def _among(self, crew: Crew, rooms: Rooms, row: WorkRow, batch: int) -> Place | None:
        able = rooms.among(crew.with_key(row.key_id))
        outstanding = self._market.outstanding(row.work_class)
        if self._market.is_local:
            place = place_local(row, able, outstanding, self._market.counts[row.work_class])
            # The holder may lack the key set for long: then any worker that has it is better than none.
            if place is not None or crew.is_complete(row.key_id):
                return place
        return place_parallel(row, able, outstanding, next(self._turns), batch)

    def _fixed(self, row: WorkRow) -> Place:
        if row.work_class != WorkClass.SENDER:
            return Place("", -1, row.cost_ms)
        # One partition per signing address: nonces are taken in the order of one topic partition.
        key = self._market.signer or row.affinity
        return Place("", partition_of(key, self._market.counts[row.work_class]), SENDER_WAIT_MS)


def _by_worker(rows: Iterable[WorkRow]) -> Counter[str]:
    return Counter(row.worker for row in rows)


def _claimed(row: WorkRow, place: Place, epoch: int, now_ms: int) -> WorkRow:
    return msgspec.structs.replace(
        row,
        state=work_transition(row.state, WorkState.CLAIMED),
        epoch=epoch,
        worker=place.worker,
        partition=place.partition,
        deadline_ms=pipe_deadline_ms(now_ms, place.wait_ms),
    )
