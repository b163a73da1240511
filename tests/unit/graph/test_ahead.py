"""What is decided ahead of its transaction is what would have been decided in it."""

import pytest
from graph_world import TENANT, GraphWorld
from test_failures import POISON, Poisoned, chain
from test_priorities import neighbour
from unit.domain import worlds
from unit.domain.test_law import make_world
from unit.domain.worlds import CRS, KEY, Logs, block, h

from streams.adapters.memory.store import MemoryTransaction
from streams.domain import decide
from streams.domain.chain import Events
from streams.domain.facts import Fact
from streams.domain.lifecycle import WorkState
from streams.domain.rows import BlockRow, EarlyRow, HandleRow
from streams.domain.state import Read
from streams.messages import topics
from streams.ports import Record
from streams.services.graph import ahead, plans
from streams.services.graph.batch import FAILURES_MAX


@pytest.fixture(autouse=True)
def one_record_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record has a transaction of its own, decided while the one before is written."""
    monkeypatch.setattr(ahead, "SERIES_BYTES", 1)


@pytest.mark.parametrize("seed", range(12))
async def test_any_world_ends_in_the_tables_of_the_law(seed: int) -> None:
    facts, rules = make_world(seed), decide.Rules()
    world, expected = GraphWorld(), worlds.State(complete=True)
    for fact in facts:
        decide.decide_fact(expected, TENANT, fact, rules)
    await world.publish(*facts)
    async with world.process() as process:
        await process.settle()
    assert worlds.settled(world.store.state) == worlds.settled(expected)


async def test_new_facts_are_decided_once(world: GraphWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    decided: list[Fact] = []

    def decide_fact(
        state: decide.State, tenant: str, fact: Fact, rules: decide.Rules, events: Events
    ) -> None:
        decided.append(fact)
        decide.decide_fact(state, tenant, fact, rules, events)

    monkeypatch.setattr(plans, "decide_fact", decide_fact)
    facts = chain(8)
    await world.publish(*facts)
    async with world.process() as process:
        await process.settle()
    assert decided == facts


@pytest.mark.parametrize("series_bytes", [1, ahead.SERIES_BYTES])
async def test_where_nobody_has_early_results_each_tenant_is_one_question(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch, series_bytes: int
) -> None:
    asked: set[Read] = set()
    load = MemoryTransaction.load

    async def noted(tx: MemoryTransaction, reads: list[Read]) -> object:
        asked.update(read for read in reads if read.table is EarlyRow)
        return await load(tx, reads)

    monkeypatch.setattr(ahead, "SERIES_BYTES", series_bytes)
    monkeypatch.setattr(MemoryTransaction, "load", noted)
    other = neighbour(world, is_same_shard=True)
    await world.publish(*chain(4))
    await world.publish(*chain(4), tenant=other)
    await world.log.append(topics.EVENTS, key=b"nobody", value=b"no fact", partition=world.shard)
    async with world.process() as process:
        await process.settle()
    assert world.items()
    assert asked == {Read(EarlyRow, ("tenant",), (tenant,)) for tenant in (TENANT, other)}


async def test_what_a_transaction_claims_is_not_taken_for_unclaimed_by_the_next(world: GraphWorld) -> None:
    allowed = Logs().trivial(h("v"), 1).allow(h("v"))
    fork = [block("1b", 1, "0"), block("2b", 2, "1b")]
    await world.beat_all()
    await world.publish(block("0", 0, "-1", anchor=True), KEY, CRS, block("1", 1, "0", allowed), *fork)
    async with world.process() as process:
        await process.settle()
    (handle,) = (row for row in world.store.state.rows(HandleRow) if row.handle == h("v"))
    (item,) = (row for row in world.items() if row.kind == "compute")
    assert (handle.reasons, item.state) == (0, WorkState.DISPATCHED)


async def test_a_record_that_fails_takes_nothing_decided_ahead_with_it(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    Poisoned(monkeypatch)
    async with world.process() as process:
        await world.publish(*chain(20))
        for _ in range(FAILURES_MAX + 1):
            await process.live()
    numbers = sorted(row.number for row in world.store.state.rows(BlockRow))
    assert numbers == list(range(POISON))
    assert world.store.tables.halted[TENANT] == (world.shard, "ZeroDivisionError: a defect")
    assert world.next_off() == len(chain(20))


def test_a_series_is_cut_where_it_is_large_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "SERIES_BYTES", 10)
    sizes = (4, 4, 4, 20, 1, None)
    records = [
        Record(
            topic=topics.EVENTS,
            partition=0,
            offset=at,
            key=b"t",
            value=None if size is None else bytes(size),
            headers=(),
        )
        for at, size in enumerate(sizes)
    ]
    found = [[record.offset for record in batch] for batch in ahead.series(records)]
    assert found == [[0, 1, 2], [3], [4, 5]]
    assert list(ahead.series([])) == []
