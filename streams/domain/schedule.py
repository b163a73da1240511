"""Which ready item goes next, and where: pure functions and one small state per shard and class.

Fairness is deficit round robin (Shreedhar and Varghese) over estimated cost, on two levels: tenants, and
within a tenant the contracts that caused the work. A flow's turn adds a quantum to its deficit, and what
it sends is taken from it, so over time each flow gets the same cost, not the same number of items. A flow
sends while its deficit is positive and may overdraw it once (surplus round robin), because which contract
a tenant's turn will serve, and at what cost, is known only afterwards.

A priority weighs a flow's quantum: each step doubles it. So it is a share, never a right to go first: who
has the least of all still gets its part of every round, however much the others have to send.
"""

import itertools
import operator
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, Generic, TypeVar

import msgspec

from streams.domain.control import PRIORITY_MAX
from streams.domain.partition import partition_of
from streams.domain.rows import WorkRow

# Short, since what is in the pipe can no longer be reordered: fairness and priorities end at the topic.
PIPE_ROUNDS: Final = 2  # of all slots: what workers have and what waits for them in the pipe
PIPE_WAIT_MS_MIN: Final = 30_000
PIPE_WAIT_FACTOR: Final = 4
# What waits for the sender is safe in its topic, in its order: a gateway that is away does not bring it back.
SENDER_WAIT_MS: Final = 2 * 3_600_000 // PIPE_WAIT_FACTOR

SLOW_LANE: Final = -3  # an eighth of what the contract's other work gets, while both wait

F = TypeVar("F")
PriorityOf = Callable[[F], int]
ClaimOf = Callable[[WorkRow], WorkRow | None]


def weight(priority: int) -> int:
    """The part of a round that a priority is worth, as against other weights."""
    return 1 << PRIORITY_MAX + max(-PRIORITY_MAX, min(priority, PRIORITY_MAX))


DEFAULT_WEIGHT: Final = weight(0)


def even(flow: object) -> int:
    """The priority of flows among which none is preferred."""
    del flow
    return 0


def as_it_is(row: WorkRow) -> WorkRow:
    """The claim of an item that has a place wherever it goes."""
    return row


def pipe_deadline_ms(now_ms: int, estimate_ms: int) -> int:
    """Until when a worker must have taken an item that is expected to wait this long."""
    # a multiple of the estimate: a pipe that is slower than expected is no reason to send the item twice
    return now_ms + max(PIPE_WAIT_FACTOR * estimate_ms, PIPE_WAIT_MS_MIN)


class RoundRobin(Generic[F]):
    """One level: flows come and go; a flow that has nothing left loses its deficit."""

    def __init__(self) -> None:
        self._ring: deque[F] = deque()
        self._deficits: dict[F, int] = {}
        self._is_served = False  # whether the flow in front got its quantum in this turn

    def next(self, flows: Collection[F], quantum: int, priority: PriorityOf[F] = even) -> F:
        """The flow that sends now, out of those that have something to send.

        `quantum` is that of the least preferred flow.
        """
        self._enrol(flows)
        least = weight(min(map(priority, flows)))
        while True:
            flow = self._ring[0]
            if not self._is_served:
                self._deficits[flow] += quantum * weight(priority(flow)) // least
                self._is_served = True
            if self._deficits[flow] > 0:
                return flow
            self._ring.rotate(-1)
            self._is_served = False

    def charge(self, flow: F, cost: int) -> None:
        """What the flow sent; a dear item is paid in the turns that follow."""
        self._deficits[flow] -= cost

    def credit(self, flow: F) -> int:
        """What the flow whose turn it is may still send without overdrawing."""
        return self._deficits[flow]

    def _enrol(self, flows: Collection[F]) -> None:
        front = self._ring[0] if self._ring else None
        # Who has nothing to send loses its place and its credit: idle time must not be saved up for a
        # burst.
        self._ring = deque(flow for flow in self._ring if flow in flows)
        self._deficits = {flow: self._deficits[flow] for flow in self._ring}
        for flow in flows:
            if flow not in self._deficits:
                self._ring.append(flow)
                self._deficits[flow] = 0
        if not self._ring or self._ring[0] != front:
            self._is_served = False


Lane = tuple[bytes, int]  # a contract, and the priority of its items
PRIORITY_OF_LANE: Final[PriorityOf[Lane]] = operator.itemgetter(1)


class Fair:
    """Deficit round robin over tenants and, within each, over contracts' lanes."""

    def __init__(self) -> None:
        self._tenants: RoundRobin[str] = RoundRobin()
        self._lanes: dict[str, RoundRobin[Lane]] = defaultdict(RoundRobin)

    def pick(
        self,
        ready: Iterable[WorkRow],
        credit: int,
        *,
        by_contract: bool = True,
        priority: PriorityOf[str] = even,
        claim: ClaimOf = as_it_is,
    ) -> list[WorkRow]:
        """Up to `credit` of the ready items as they are claimed, in the order in which they go.

        Args:
            priority: that of tenants.
            claim: None where an item finds no place now; its flow does not pay for it and goes on.
        """
        queues = _queues(ready, by_contract)
        self._lanes = defaultdict(RoundRobin, {t: r for t, r in self._lanes.items() if t in queues})
        quantum = max((_cost(row) for t in queues.values() for q in t.values() for row in q), default=1)
        picked: list[WorkRow] = []
        while queues and len(picked) < credit:
            claimed = self._next(queues, quantum, priority, claim)
            if claimed is not None:
                picked.append(claimed)
        return picked

    def _next(
        self,
        queues: dict[str, dict[Lane, deque[WorkRow]]],
        quantum: int,
        priority: PriorityOf[str],
        claim: ClaimOf,
    ) -> WorkRow | None:
        tenant = self._tenants.next(queues, quantum, priority)
        flows, lanes = queues[tenant], self._lanes[tenant]
        lane = lanes.next(flows, quantum, PRIORITY_OF_LANE)
        row = flows[lane].popleft()
        claimed = claim(row)
        if claimed is not None:
            self._tenants.charge(tenant, _cost(row))
            lanes.charge(lane, _cost(row))
        if not flows[lane]:
            del flows[lane]
        if not flows:
            del queues[tenant]
        return claimed


def _queues(ready: Iterable[WorkRow], by_contract: bool) -> dict[str, dict[Lane, deque[WorkRow]]]:
    queues: dict[str, dict[Lane, deque[WorkRow]]] = defaultdict(lambda: defaultdict(deque))
    for row in sorted(ready, key=lambda row: -row.priority):
        queues[row.tenant][row.contract if by_contract else b"", row.priority].append(row)
    return {tenant: dict(flows) for tenant, flows in queues.items()}


def _cost(row: WorkRow) -> int:
    return max(row.cost_ms, 1)


def share(capacity: int, own_cost_ms: int, others: Iterable[int]) -> int:
    """Credits of one shard owner: the capacity in proportion to the ready cost, at least one each."""
    total = own_cost_ms + sum(others)
    if capacity <= 0:
        return 0
    # at least one: a shard with cheap work must not starve beside one with dear work
    return max(capacity * own_cost_ms // total, 1) if total > 0 else capacity


class LiveWorker(msgspec.Struct, frozen=True):
    """What the placement of an item needs to know of a worker."""

    worker: str
    slots: int
    partitions: tuple[int, ...]
    key_ids: tuple[bytes, ...] = ()  # key sets that it can compute with; none: no item that names one


class Team(msgspec.Struct, frozen=True):
    """Workers that have the same key sets: what one of them can do, each can."""

    key_ids: frozenset[bytes]  # with `b""`
    slots: int
    workers: frozenset[str]


class Rooms:
    """How many more items of a shard each team may be given; one that is full takes nothing of the others."""

    def __init__(self, teams: Sequence[Team], most: Sequence[int], in_flight: Mapping[str, int]) -> None:
        """`most` is what the shard may have in flight at each; `in_flight` is by worker, in a team or not."""
        self._team_of = {worker: at for at, team in enumerate(teams) for worker in team.workers}
        total = sum(in_flight.values())
        of_teams = [sum(in_flight.get(worker, 0) for worker in team.workers) for team in teams]
        # What lies at a worker that is gone will go to another one: until then it has a place in every team.
        gone = total - sum(of_teams)
        self._left = [max(credit - held - gone, 0) for credit, held in zip(most, of_teams, strict=True)]

    @property
    def total(self) -> int:
        """Of all teams together."""
        return sum(self._left)

    def among(self, workers: list[LiveWorker]) -> list[LiveWorker]:
        """Those of them that may be given one more item."""
        if len(self._left) == 1:  # as nearly always: nobody is looked up
            return workers if self._left[0] > 0 else []
        return [worker for worker in workers if self._left[self._team_of[worker.worker]] > 0]

    def take(self, worker: str) -> None:
        """One more item goes there."""
        self._left[self._team_of[worker]] -= 1


class Crew:
    """The live workers of a class at one moment, by the key set that an item names.

    An item that names none (`b""`) may go to anybody.
    """

    def __init__(self, workers: Sequence[LiveWorker]) -> None:
        self._workers = workers
        # between two assignments a worker has none, and nothing that is sent there would be read
        self._able = [worker for worker in workers if worker.partitions and worker.slots > 0]
        self._with_key: dict[bytes, list[LiveWorker]] = {b"": self._able}
        none = [b""] if self._able else []
        self.key_ids = frozenset(itertools.chain(none, *(worker.key_ids for worker in self._able)))

    def with_key(self, key_id: bytes) -> list[LiveWorker]:
        """Whom an item of that key set may be given to now; they are looked for once."""
        found = self._with_key.get(key_id)
        if found is None:
            found = [worker for worker in self._able if key_id in worker.key_ids]
            self._with_key[key_id] = found
        return found

    def teams(self) -> list[Team]:
        """All of them, by the key sets that they have; one team where all have the same."""
        by_keys: dict[frozenset[bytes], list[LiveWorker]] = defaultdict(list)
        for worker in self._workers:
            by_keys[frozenset((b"", *worker.key_ids))].append(worker)
        return [
            Team(key_ids, sum(worker.slots for worker in of), frozenset(worker.worker for worker in of))
            for key_ids, of in by_keys.items()
        ]

    def is_complete(self, key_id: bytes) -> bool:
        """Whether every one of them has that key set, also who has no room."""
        return not key_id or all(key_id in worker.key_ids for worker in self._workers)


class Place(msgspec.Struct, frozen=True):
    """Where an item goes; `wait_ms` is how long it is expected to wait there and to take."""

    worker: str
    partition: int
    wait_ms: int


def place_parallel(
    row: WorkRow, able: list[LiveWorker], outstanding: Mapping[str, int], turn: int, batch: int
) -> Place | None:
    """MAX_PARALLELISM: of those who can do it, the one with the least outstanding cost per slot, any
    partition that it holds.

    `turn` counts the placements, so that equally loaded workers take turns. `batch` counts what is claimed
    together: a worker's part of it lies in one partition, because the broker is asked once per partition.
    """
    if not able:
        return None
    start = turn % len(able)
    best = min(
        able[start:] + able[:start], key=lambda worker: outstanding.get(worker.worker, 0) / worker.slots
    )
    partition = best.partitions[batch % len(best.partitions)]
    return Place(best.worker, partition, outstanding.get(best.worker, 0) // best.slots + row.cost_ms)


def place_local(
    row: WorkRow, able: Sequence[LiveWorker], outstanding: Mapping[str, int], count: int
) -> Place | None:
    """MAX_LOCALITY: the partition of the root component, whoever of those who can do it holds it."""
    partition = partition_of(row.affinity, count)
    holder = next((worker for worker in able if partition in worker.partitions), None)
    if holder is None:
        return None  # between two assignments; asked again with the next beat
    return Place(
        holder.worker, partition, outstanding.get(holder.worker, 0) // max(holder.slots, 1) + row.cost_ms
    )
