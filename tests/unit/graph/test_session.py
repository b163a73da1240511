"""Decisions ask for rows in rounds, and most of what they will ask for is guessed in the first."""

import pytest
from unit.domain import worlds
from unit.domain.worlds import CRS, KEY, TENANT, Logs, block, h

from streams.adapters.memory.store import MemoryStore, MemoryTransaction
from streams.domain.decide import decide_fact
from streams.domain.errors import Undecodable
from streams.domain.rows import BlockRow, EarlyRow, Row, TenantRow, WorkRow
from streams.domain.state import Changes, Read, State
from streams.domain.work import WorkClass, item_id
from streams.services.graph.remembered import Remembered
from streams.services.graph.session import Decision, Session

ANY = Read(EarlyRow, ("tenant",), (TENANT,))


class Counting(MemoryTransaction):
    """Counts the rounds of look-ups."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store.state, store.tables, 0, 1)
        self.state = store.state
        self.asked: list[Read] = []
        self.rounds = 0

    async def load(self, reads: list[Read]) -> list[list[Row]]:
        self.rounds += 1
        self.asked += reads
        return await super().load(reads)


@pytest.fixture
async def tx() -> Counting:
    store = MemoryStore()
    await store.claim(0, "me", {})
    return Counting(store)


def decisions() -> list[Decision]:
    logs = Logs()
    for at in range(30):
        logs.trivial(h(f"t{at}"), at, tx=f"tx{at}").add(h(f"t{at}"), 1, h(f"s{at}"), tx=f"tx{at}")
        logs.allow(h(f"s{at}"), tx=f"tx{at}")
    facts = [block("0", 0, "-1", anchor=True), KEY, CRS, block("1", 1, "0", logs)]
    return [lambda state, fact=fact: decide_fact(state, TENANT, fact, worlds.RULES) for fact in facts]


async def test_a_batch_of_what_nobody_has_seen_is_decided_once(tx: Counting) -> None:
    session, ran = Session(tx), list[int]()
    assert await session.decide_all([_counted(decision, ran) for decision in decisions()])
    assert session.state.changes() == _like(_whole(decisions()), session.state.changes())
    assert not session.state.changes().written
    assert (tx.rounds, len(ran)) == (1, len(decisions()))


async def test_a_batch_over_what_the_store_has_is_decided_again(tx: Counting) -> None:
    first, second = decisions(), [*decisions()[:1], *_next_block()]
    for batch in (first, second):
        session = Session(tx)
        await session.decide_each(batch)
        await tx.write(session.state.changes())
    complete = State(complete=True)
    for decision in [*first, *second]:
        decision(complete)
    assert worlds.settled(tx.state) == worlds.settled(complete)
    assert tx.rounds <= 6


async def test_what_was_preloaded_is_not_asked_for_again(tx: Counting) -> None:
    session = Session(tx)
    reads = [
        Read(TenantRow, TenantRow.KEY, (TENANT,)),
        Read(BlockRow, ("tenant", "parent_hash"), (TENANT, b"")),
    ]
    await session.foresee([*reads, *reads])
    assert session.state.get(TenantRow, TENANT) is None
    assert tx.asked == reads


async def test_where_one_raises_nothing_of_the_batch_stays(tx: Counting) -> None:
    session = Session(tx)
    assert not await session.decide_all([*decisions(), _raising])
    assert session.state.changes() == Changes({}, {})
    with pytest.raises(Undecodable):
        await session.decide_each([*decisions(), _raising])
    assert session.state.changes() == _like(_whole(decisions()), session.state.changes())


async def test_a_row_that_came_and_went_in_one_batch_is_not_written(tx: Counting) -> None:
    def decision(state: State) -> None:
        assert state.get(TenantRow, "t") is None
        state.put(TenantRow(tenant="t"))
        state.delete(TenantRow(tenant="t"))

    session = Session(tx)
    await session.decide(decision)
    assert session.state.changes() == Changes({}, {})


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
    await session.decide_each([decision])
    assert session.state.changes().written == {TenantRow: [TenantRow(tenant="t", chain_id=5)]}


async def test_what_the_last_decision_puts_off_is_decided_when_it_is_asked_for(tx: Counting) -> None:
    session, whole = Session(tx), _whole(decisions())
    assert await session.decide_all(decisions(), puts_off=True)
    urgent, mark = session.state.changes().created[WorkRow], session.state.mark()
    assert {row.work_class for row in urgent} == {"tfhe"}
    await session.decide_rest()
    rest = {new.work_class for _, new in session.state.replaced(WorkRow, mark) if new is not None}
    assert rest == {"sns", "sender", "publish"}
    assert session.state.changes() == _like(whole, session.state.changes())
    assert tx.rounds == 2
    await session.decide_rest()
    assert tx.rounds == 2  # there is nothing any more


async def test_what_other_decisions_put_off_comes_before_the_next(tx: Counting) -> None:
    told: list[str] = []
    session = Session(tx)

    def decision(name: str) -> Decision:
        def decide(state: State) -> None:
            told.append(name)
            state.later(lambda _: told.append(f"{name}, rest"))

        return decide

    guess = await session.decide_ahead([decision("a"), decision("b")], puts_off=True)
    assert await session.decide_all([], guess)
    assert told == ["a", "a, rest", "b"]
    await session.decide_rest()
    await session.decide_each([decision("c")])
    assert told == ["a", "a, rest", "b", "b, rest", "c", "c, rest"]


async def test_what_is_put_off_may_have_to_be_decided_again(tx: Counting) -> None:
    before = State()
    before.put(TenantRow(tenant="t", chain_id=4))
    await tx.write(before.changes())

    def rest(state: State) -> None:
        row = state.get(TenantRow, "t")
        state.put(TenantRow(tenant="t", chain_id=1 if row is None else row.chain_id + 1))

    session = Session(tx)
    assert await session.decide_all([lambda state: state.later(rest)], puts_off=True)
    session.state.put(TenantRow(tenant="claimed meanwhile"))
    await session.decide_rest()
    changed = {row.tenant: row.chain_id for row in session.state.changes().rows(TenantRow)}
    assert changed == {"t": 5, "claimed meanwhile": 0}


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

    await session.decide(decision)
    assert sorted(session.state.replaced(TenantRow), key=str) == [
        (None, TenantRow(tenant="new")),
        (TenantRow(tenant="gone"), None),
        (TenantRow(tenant="t", chain_id=4), TenantRow(tenant="t", chain_id=6)),
    ]
    assert session.state.replaced(BlockRow) == []


async def test_early_results_are_one_question_while_there_are_none(tx: Counting) -> None:
    session = Session(tx)
    session.expect([TENANT])
    assert await session.decide_all(decisions(), puts_off=True)
    await session.decide_rest()
    assert session.state.changes() == _like(_whole(decisions()), session.state.changes())
    assert [read for read in tx.asked if read.table is EarlyRow] == [ANY]


async def test_early_results_are_looked_for_one_by_one_where_there_are_some(tx: Counting) -> None:
    complete = State(complete=True)
    for row in (early("! first"), early(item_id(WorkClass.TFHE, TENANT, h("s3")))):
        complete.put(row)
    await tx.write(complete.changes())
    remembered = Remembered()
    for batch in (decisions(), _next_block()):
        session = Session(tx, remembered)
        session.expect([TENANT])
        await session.decide_each(batch)
        await tx.write(session.state.changes())
        for decision in batch:
            decision(complete)
    assert worlds.settled(tx.state) == worlds.settled(complete)
    assert [row.item for row in tx.state.rows(EarlyRow)] == ["! first"]
    assert remembered.is_populated(ANY)


async def test_that_there_are_early_results_is_remembered_until_there_are_none(tx: Counting) -> None:
    remembered = Remembered()
    for row, attempts in ((early("another"), 2), (None, 1), (None, 1)):
        if row is not None:
            tx.state.put(row)
        ran: list[int] = []
        session = Session(tx, remembered)
        session.expect([TENANT])
        await session.decide(_counted(lambda state: state.put(TenantRow(tenant="t")), ran))
        assert (len(ran), tx.asked[-1]) == (attempts, ANY)
        for gone in tx.state.rows(EarlyRow):
            tx.state.delete(gone)
    assert not remembered.is_populated(ANY)


async def test_an_early_result_that_came_and_went_in_one_batch_is_not_written(tx: Counting) -> None:
    def decision(state: State) -> None:
        assert state.get(EarlyRow, TENANT, "item") is None
        state.put(early("item"))
        state.delete(early("item"))

    session = Session(tx)
    session.expect([TENANT])
    await session.decide(decision)
    assert session.state.changes() == Changes({}, {})


async def test_of_a_sampled_index_one_row_is_the_answer(tx: Counting) -> None:
    for item in ("a", "b"):
        tx.state.put(early(item))
    assert await tx.load([ANY]) == [[early("a")]]


async def test_early_results_of_the_transaction_before_are_not_guessed_away(tx: Counting) -> None:
    remembered, state = Remembered(), State()
    state.put(early("another"))
    remembered.keep(state.changes())
    assert remembered.is_populated(ANY)


def early(item: str) -> EarlyRow:
    return EarlyRow(tenant=TENANT, item=item, done=True)


def _next_block() -> list[Decision]:
    logs = Logs().add(h("s1"), h("s2"), h("u"), tx="txu").allow(h("u"), tx="txu").allow(h("s1"), tx="txu")
    fact = block("2", 2, "1", logs)
    return [lambda state: decide_fact(state, TENANT, fact, worlds.RULES)]


def _raising(state: State) -> None:
    state.put(TenantRow(tenant="t"))
    state.get(BlockRow, "t", b"")
    raise Undecodable


def _counted(decision: Decision, ran: list[int]) -> Decision:
    def count(state: State) -> None:
        ran.append(1)
        decision(state)

    return count


def _whole(of: list[Decision]) -> Changes:
    complete = State(complete=True)
    for decision in of:
        decision(complete)
    return complete.changes()


def _like(found: Changes, like: Changes) -> Changes:
    """The same rows as those that are new in others, in their order, which follows from that of loading."""
    created = {table: sorted(found.rows(table), key=like.created[table].index) for table in like.created}
    return Changes({}, found.deleted, created)
