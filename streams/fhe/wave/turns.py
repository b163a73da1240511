"""Whose turn it is in a window, by the dispatcher's rule (`domain/schedule`).

Deficit round robin on two levels: tenants get the same; within a tenant so do the lanes of its contracts,
each step of priority doubling a lane's part. A priority is a share and no right to everything: the slow lane
gets an eighth of a fast one's part while both wait, in its turn, and all of it once nothing else waits.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeAlias, TypeVar

from streams.domain.schedule import PRIORITY_OF_LANE, Lane, RoundRobin, weight

T = TypeVar("T")
Flow: TypeAlias = tuple[str, Lane]  # a tenant, and the lane of one of its contracts
Queues: TypeAlias = dict[str, dict[Lane, deque[T]]]  # by tenant and lane, none of them empty


class Turns:
    """Deficits are kept for as long as a lane has something that waits."""

    def __init__(self) -> None:
        self._tenants: RoundRobin[str] = RoundRobin()
        self._lanes: dict[str, RoundRobin[Lane]] = defaultdict(RoundRobin)

    def next(self, waiting: Mapping[str, Collection[Lane]], room: int) -> tuple[str, Lane, int]:
        """Tenant and lane that go now, and what they may take in this turn.

        Args:
            waiting: what has something to do, and is not empty.
            room: of a batch, which all of them share.
        """
        self._lanes = defaultdict(RoundRobin, {t: each for t, each in self._lanes.items() if t in waiting})
        part = max(1, room // len(waiting))
        tenant = self._tenants.next(waiting, part)
        # The preferred ones first, where they come at the same time.
        flows, lanes = sorted(waiting[tenant], key=_dislike), self._lanes[tenant]
        lane = lanes.next(flows, _least(flows, part), PRIORITY_OF_LANE)
        return tenant, lane, min(self._tenants.credit(tenant), lanes.credit(lane))

    def charge(self, tenant: str, lane: Lane, cost: int) -> None:
        """What was taken; what is indivisible may cost more than was left, and is paid later."""
        self._tenants.charge(tenant, cost)
        self._lanes[tenant].charge(lane, cost)


def _dislike(lane: Lane) -> int:
    return -PRIORITY_OF_LANE(lane)


def in_lanes(waiting: Iterable[T], flow_of: Callable[[T], Flow]) -> Queues[T]:
    """What waits, by its tenant and lane, in the given order."""
    queues: defaultdict[str, defaultdict[Lane, deque[T]]] = defaultdict(lambda: defaultdict(deque))
    for each in waiting:
        tenant, lane = flow_of(each)
        queues[tenant][lane].append(each)
    return {tenant: dict(lanes) for tenant, lanes in queues.items()}


def drop_empty(queues: Queues[T], tenant: str, lane: Lane) -> None:
    """A lane that has nothing left is no flow any more, nor is its tenant without it."""
    if queues[tenant][lane]:
        return
    del queues[tenant][lane]
    if not queues[tenant]:
        del queues[tenant]


def _least(flows: Collection[Lane], part: int) -> int:
    """The part of the least preferred lane, such that all of them together take the tenant's."""
    weights = [weight(PRIORITY_OF_LANE(lane)) for lane in flows]
    return max(1, part * min(weights) // sum(weights))
