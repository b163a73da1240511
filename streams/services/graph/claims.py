"""Credit, fairness and placement: which ready items of a shard are claimed now, and for whom."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from streams.domain.features import Feature
from streams.domain.lifecycle import WorkState, work_transition
from streams.domain.partition import partition_of
from streams.domain.rows import WorkRow
from streams.domain.schedule import (
    PIPE_ROUNDS,
    SENDER_WAIT_MS,
    Fair,
    LiveWorker,
    Place,
    pipe_deadline_ms,
    place_local,
    place_parallel,
    share,
    weight,
)
from streams.domain.state import Changes
from streams.domain.work import WorkClass
from streams.ports import Clock, Demand, Transaction
from streams.services.graph.workers import WorkerView

CLASSES: Final = tuple(WorkClass)
# Classes without heartbeats: what one shard may have in flight.
# The sender keeps its own order and waits for a chain; announcements are appended by the dispatcher itself.
_FIXED: Final[Mapping[str, int]] = {WorkClass.SENDER: 64, WorkClass.PUBLISH: 256}
_PER_CONTRACT_MAX: Final = 64  # candidates that are read of one contract


class Market:
    """What is wanted and what is there, as of the last sweep; shared by the owners of a process."""

    def __init__(self, workers: WorkerView, counts: Mapping[str, int], schedule: str, signer: bytes) -> None:
        self.workers = workers
        self.counts = counts  # partitions per class
        self.schedule = schedule
        self.signer = signer  # signing address, whose order work.sender keeps
        self._costs: dict[str, dict[int, int]] = {}

    def update(self, demands: Iterable[Demand]) -> None:
        """Take the answer of a sweep."""
        costs: dict[str, dict[int, int]] = defaultdict(dict)
        for demand in demands:
            costs[demand.work_class][demand.shard] = demand.weighed_cost_ms
        self._costs = dict(costs)

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

    def credit(self, work_class: str, shard: int, weighed_cost_ms: int) -> int:
        """How many items of a class this shard may have in flight.

        `weighed_cost_ms` is the shard's own, which may have grown since the sweep.
        """
        capacity = self.most(work_class)
        if work_class in _FIXED:
            return capacity
        known = self._costs.get(work_class, {})
        others = (cost for other, cost in known.items() if other != shard)
        return share(capacity, max(weighed_cost_ms, known.get(shard, 0)), others)

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
        most = self._market.most(work_class)
        if most <= 0:
            return []  # nobody is there to do it
        paused = self._market.workers.standing.tenants
        if work_class not in _FIXED:
            # No result would end their items, so workers would compute them again and again.
            paused |= self.halted
        ready = await tx.ready(work_class, now_ms, min(most, _PER_CONTRACT_MAX), paused, most=most)

        def priority(tenant: str) -> int:
            return self._market.workers.standing.priority(work_class, tenant)

        own_cost_ms = sum(row.cost_ms * weight(priority(row.tenant)) for row in ready.items)
        credit = max(self._market.credit(work_class, self._shard, own_cost_ms) - ready.in_flight, 0)
        by_contract = self._market.is_fair_to_contracts
        fair = self._fair[work_class]
        picked = fair.pick(ready.items, credit, by_contract=by_contract, priority=priority)
        if not picked:
            return []
        placed = await self._place(tx, work_class, picked)
        return [_claimed(row, place, epoch, now_ms) for row, place in placed]

    async def _place(
        self, tx: Transaction, work_class: str, picked: list[WorkRow]
    ) -> list[tuple[WorkRow, Place]]:
        if work_class in _FIXED:
            return [(row, self._fixed(row)) for row in picked]
        workers = self._market.workers.live(work_class)
        outstanding = await tx.outstanding(work_class)
        placed: list[tuple[WorkRow, Place]] = []
        batch = next(self._batches)
        for row in picked:
            place = self._among(workers, outstanding, row, batch)
            if place is not None:
                placed.append((row, place))
                # counted at once: the next item of this batch goes to somebody else
                outstanding[place.worker] = outstanding.get(place.worker, 0) + row.cost_ms
        return placed

    def _among(
        self, workers: list[LiveWorker], outstanding: Mapping[str, int], row: WorkRow, batch: int
    ) -> Place | None:
        if self._market.is_local:
            return place_local(row, workers, outstanding, self._market.counts[row.work_class])
        return place_parallel(row, workers, outstanding, next(self._turns), batch)

    def _fixed(self, row: WorkRow) -> Place:
        if row.work_class != WorkClass.SENDER:
            return Place("", -1, row.cost_ms)
        # One partition per signing address: nonces are taken in the order of one topic partition.
        key = self._market.signer or row.affinity
        return Place("", partition_of(key, self._market.counts[row.work_class]), SENDER_WAIT_MS)


def _claimed(row: WorkRow, place: Place, epoch: int, now_ms: int) -> WorkRow:
    return msgspec.structs.replace(
        row,
        state=work_transition(row.state, WorkState.CLAIMED),
        epoch=epoch,
        worker=place.worker,
        partition=place.partition,
        deadline_ms=pipe_deadline_ms(now_ms, place.wait_ms),
    )
