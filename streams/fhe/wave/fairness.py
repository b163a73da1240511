"""Which look-ups go into the next batch when more are waiting than it holds.

As the dispatcher does it for items: tenants and their contracts' lanes take turns (`turns`), here over
look-ups, which is what a device's time is made of; within a lane the older component goes first, then the
earlier step.
"""

from collections import deque
from collections.abc import Collection

from streams.fhe.wave.running import Running, Share
from streams.fhe.wave.turns import Flow, Turns, drop_empty, in_lanes


class Fairness:
    """Deficits are kept from batch to batch."""

    def __init__(self) -> None:
        self._turns = Turns()

    def shares(self, running: Collection[Running], room: int) -> list[Share]:
        """At most `room` look-ups, of each operation the first ones that wait; they are away from now on."""
        waiting = [each for each in running if each.waiting]
        # By operation: several turns of one lane may take from the same one, which still gets one share.
        # Sorted anew for each batch: operations come and go, and their rank does not change.
        queues = in_lanes(sorted(waiting, key=lambda each: each.rank), _flow)
        taken, left = dict[Running, int](), room
        while queues and left:
            tenant, lane, credit = self._turns.next(queues, room)
            count = _take(queues[tenant][lane], min(credit, left), taken)
            # Charged to the deficits, which the next batch finds again.
            self._turns.charge(tenant, lane, count)
            left -= count
            drop_empty(queues, tenant, lane)
        return [each.take(count) for each, count in taken.items()]


def _flow(running: Running) -> Flow:
    return running.progress.flow


def _take(queue: deque[Running], room: int, taken: dict[Running, int]) -> int:
    """Up to `room` look-ups of the first operations; how many there were."""
    left = room
    while queue and left:
        first = queue[0]
        waiting = first.waiting - taken.get(first, 0)
        count = min(waiting, left)
        taken[first] = taken.get(first, 0) + count
        left -= count
        if count == waiting:
            queue.popleft()
    return room - left
