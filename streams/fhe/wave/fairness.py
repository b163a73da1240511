"""Which look-ups go into the next batch when more are waiting than it holds.

As the dispatcher does it for items (`domain/schedule`): tenants share by deficit round robin, here over
look-ups, which is what a device's time is made of; within a tenant the larger priority goes first, then the
older component, then the earlier step. A tenant's priorities take nothing from other tenants.
"""

from collections import defaultdict, deque
from collections.abc import Collection, Iterable

from streams.domain.schedule import RoundRobin
from streams.fhe.wave.running import Running, Share


class Fairness:
    """Deficits are kept from batch to batch."""

    def __init__(self) -> None:
        self._tenants: RoundRobin[str] = RoundRobin()

    def shares(self, running: Collection[Running], room: int) -> list[Share]:
        """At most `room` look-ups, of each operation the first ones that wait; they are away from now on."""
        # By operation: several turns of one tenant may take from the same one, which still gets one share.
        waiting = [each for each in running if each.waiting]
        queues, taken = _queues(waiting), dict[Running, int]()
        # an equal part of the batch for each tenant that waits, and at least one look-up
        quantum = max(1, room // max(1, len(queues)))
        while queues and room:
            tenant = self._tenants.next(queues, quantum)
            first = queues[tenant][0]
            left = first.waiting - taken.get(first, 0)
            count = min(left, room, quantum)
            taken[first] = taken.get(first, 0) + count
            room -= count
            # Charged to the tenant's deficit, which the next batch finds again.
            self._tenants.charge(tenant, count)
            if count == left:
                _drop_first(queues, tenant)
        return [each.take(count) for each, count in taken.items()]


def _queues(running: Iterable[Running]) -> dict[str, deque[Running]]:
    queues: dict[str, deque[Running]] = defaultdict(deque)
    # sorted anew for each batch: operations come and go, and their rank does not change
    for each in sorted(running, key=lambda each: each.rank):
        queues[each.progress.tenant].append(each)
    return dict(queues)


def _drop_first(queues: dict[str, deque[Running]], tenant: str) -> None:
    queues[tenant].popleft()
    if not queues[tenant]:
        del queues[tenant]
