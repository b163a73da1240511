"""Random faults of the database and the broker around random worlds: what is left is what the logs say."""

import contextlib
import random
from collections import Counter
from collections.abc import AsyncGenerator, Sequence

import pytest
from graph_world import TENANT, WORK, GraphWorld, Process, let_run
from test_priorities import neighbour
from unit.domain import worlds
from unit.domain.test_law import make_world

from streams.adapters.memory.store import MemoryStore, MemoryTransaction
from streams.domain.decide import Rules, decide_fact, decide_result
from streams.domain.errors import StoreError
from streams.domain.facts import decode_fact
from streams.domain.items import PROOF_REPLAY
from streams.domain.lifecycle import OPEN, WorkState
from streams.domain.results import decode_result
from streams.domain.rows import HALTED, AlarmRow, Row, WorkRow
from streams.domain.state import Changes, State, key_of
from streams.domain.work import WorkClass
from streams.messages import topics
from streams.services.graph import ahead

FAULTS = 0.02  # of what could fail
STUCK = OPEN - {WorkState.BLOCKED}


class Troubled(MemoryStore):
    """Transactions fail at any point, some after they were committed."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.rng: random.Random | None = rng

    @contextlib.asynccontextmanager
    async def begin(self, *place: int, is_patient: bool = False) -> AsyncGenerator[MemoryTransaction]:
        self.maybe_fail("before it began")
        async with super().begin(*place, is_patient=is_patient) as tx:
            yield _Troubled(tx, self)
            self.maybe_fail("before the commit")
        self.maybe_fail("after the commit")

    def maybe_fail(self, when: str) -> None:
        if self.rng is not None and self.rng.random() < FAULTS:
            raise StoreError(when)


class _Troubled(MemoryTransaction):
    def __init__(self, tx: MemoryTransaction, store: Troubled) -> None:
        vars(self).update(vars(tx))
        self._store = store

    async def write(self, changes: Changes) -> None:
        for rows in changes.created.values():
            known = (self._store.state.get(type(row), *key_of(row)) for row in rows)
            assert not any(known), "what is there was taken for new"
        self._store.maybe_fail("before rows")
        await super().write(changes)
        self._store.maybe_fail("after rows")

    async def dispatched(
        self, items: Sequence[WorkRow], reported_us: Sequence[int], deadline_ms: int
    ) -> None:
        assert all(reported_us), "an item without the time of its report"
        await super().dispatched(items, reported_us, deadline_ms)
        self._store.maybe_fail("after dispatching")


def expected(world: GraphWorld, tenant: str) -> State:
    """What the two logs of a tenant lead to, facts before results."""
    state, key = State(complete=True), tenant.encode()
    for record in world.log.records(topics.EVENTS):
        if record.key == key:
            decide_fact(state, tenant, decode_fact(record.value or b""), Rules())
    for record in world.log.records(topics.RESULTS):
        if record.key == key:
            decide_result(state, tenant, decode_result(record.value or b""), record.timestamp_ms)
    return state


def said(state: State, tenant: str) -> dict[str, list[Row]]:
    """A tenant's rows; but for publications, which no log tells of, and what operators are told."""
    return {
        table: [row for row in rows if _tenant(row) == tenant and not _is_unlogged(row)]
        for table, rows in worlds.settled(state).items()
    }


def _tenant(row: Row) -> str:
    return str(key_of(row)[0])


def _is_unlogged(row: Row) -> bool:
    if isinstance(row, WorkRow):
        return row.work_class == WorkClass.PUBLISH or row.kind == PROOF_REPLAY
    return isinstance(row, AlarmRow) and row.kind == HALTED


async def a_while(world: GraphWorld, process: Process, rng: random.Random) -> None:
    await world.beat_all(slots=20)
    for topic in WORK:
        if rng.random() < FAULTS:
            world.log.fail_next(topic, is_stored=rng.random() < 0.5)
    await let_run(rng.choice((1, 5, 20)))
    if rng.random() < 0.5:
        await world.work()
    await world.clock.advance(rng.choice((0.1, 1.1)))


@pytest.mark.parametrize("seed", range(16))
async def test_faults_leave_what_the_logs_say_and_nothing_that_waits(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(ahead, "SERIES_BYTES", rng.choice((1, 2_000, 512 * 1024)))
    store = Troubled(random.Random(seed))
    world = GraphWorld(store=store)
    tenants = [TENANT, neighbour(world, is_same_shard=True)]  # with equal handles
    left = {tenant: make_world(seed) for tenant in tenants}
    while any(left.values()):
        async with world.process() as process:
            for _ in range(10):
                for tenant in tenants:
                    count = rng.randint(0, 3)
                    await world.publish(*left[tenant][:count], tenant=tenant)
                    del left[tenant][:count]
                await a_while(world, process, rng)
    store.rng = None
    async with world.process() as process:
        for _ in range(5):
            await process.live()
            await world.clock.advance(40)
    stuck = Counter(row.kind for row in world.items() if row.state in STUCK and row.kind != PROOF_REPLAY)
    assert not stuck
    for tenant in tenants:
        assert said(store.state, tenant) == said(expected(world, tenant), tenant)
