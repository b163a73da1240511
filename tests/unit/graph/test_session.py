"""Decisions ask for rows in rounds, and most of what they will ask for is guessed in the first."""

import pytest
from unit.domain import worlds
from unit.domain.worlds import CRS, KEY, TENANT, Logs, block, h

from streams.adapters.memory.store import MemoryStore, MemoryTransaction
from streams.domain.decide import decide_fact
from streams.domain.errors import Undecodable
from streams.domain.rows import BlockRow, Row, TenantRow
from streams.domain.state import Changes, Read, State
from streams.services.graph.session import Decision, Session


class Counting(MemoryTransaction):
    """Counts the rounds of look-ups."""

    rounds = 0

    async def load(self, reads: list[Read]) -> list[list[Row]]:
        self.rounds += 1
        return await super().load(reads)


@pytest.fixture
async def tx() -> Counting:
    store = MemoryStore()
    await store.claim(0, "me", {})
    return Counting(store.state, store.tables, 0, 1)


def decisions() -> list[Decision]:
    logs = Logs()
    for at in range(30):
        logs.trivial(h(f"t{at}"), at, tx=f"tx{at}").add(h(f"t{at}"), 1, h(f"s{at}"), tx=f"tx{at}")
        logs.allow(h(f"s{at}"), tx=f"tx{at}")
    facts = [block("0", 0, "-1", anchor=True), KEY, CRS, block("1", 1, "0", logs)]
    return [lambda state, fact=fact: decide_fact(state, TENANT, fact, worlds.RULES) for fact in facts]


async def test_a_batch_needs_few_rounds(tx: Counting) -> None:
    session = Session(tx)
    await session.foresee(decisions())
    for decision in decisions():
        await session.decide(decision)
    complete = State(complete=True)
    for decision in decisions():
        decision(complete)
    assert session.state.changes() == _sorted(complete.changes(), session.state.changes())
    assert tx.rounds <= 8


async def test_a_decision_that_raises_leaves_nothing(tx: Counting) -> None:
    def decision(state: State) -> None:
        state.put(TenantRow(tenant="t"))
        state.get(BlockRow, "t", b"")
        raise Undecodable

    session = Session(tx)
    with pytest.raises(Undecodable):
        await session.decide(decision)
    assert session.state.changes() == Changes({}, {})


async def test_a_guess_that_goes_astray_does_no_harm(tx: Counting) -> None:
    def decision(state: State) -> None:
        row = state.get(TenantRow, "t")
        assert row is not None
        state.put(TenantRow(tenant="t", chain_id=row.chain_id + 1))

    before = State()
    before.put(TenantRow(tenant="t", chain_id=4))
    await tx.write(before.changes())
    session = Session(tx)
    await session.foresee([decision])
    await session.decide(decision)
    assert session.state.changes().written == {TenantRow: [TenantRow(tenant="t", chain_id=5)]}


async def test_what_was_replaced_is_told_with_what_was_there_before(tx: Counting) -> None:
    before = State()
    before.put(TenantRow(tenant="t", chain_id=4))
    before.put(TenantRow(tenant="gone"))
    await tx.write(before.changes())
    session = Session(tx)

    def decision(state: State) -> None:
        row = state.get(TenantRow, "t")
        gone = state.get(TenantRow, "gone")
        assert row is not None
        assert gone is not None
        state.delete(gone)
        for chain_id in (5, 6):
            state.put(TenantRow(tenant="t", chain_id=chain_id))
        state.put(TenantRow(tenant="new"))

    await session.foresee([decision])
    await session.decide(decision)
    assert sorted(session.state.replaced(TenantRow), key=str) == [
        (None, TenantRow(tenant="new")),
        (TenantRow(tenant="gone"), None),
        (TenantRow(tenant="t", chain_id=4), TenantRow(tenant="t", chain_id=6)),
    ]
    assert session.state.replaced(BlockRow) == []


def _sorted(found: Changes, like: Changes) -> Changes:
    """The same changes in the order of others, which follows from the order of loading."""
    written = {table: sorted(found.written[table], key=like.written[table].index) for table in like.written}
    return Changes(written, found.deleted)
