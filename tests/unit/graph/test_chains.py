"""Chains of operations over transactions and blocks: right at every length, for a cost that is linear."""

import random
from collections.abc import Callable

import msgspec
import pytest
from port_contracts.store import TOPICS
from unit.domain.worlds import (
    KEY,
    RULES,
    TENANT,
    Logs,
    answer,
    block,
    h,
    interleave,
    run,
    settle,
    settled,
)

from streams.adapters.memory.store import MemoryStore, MemoryTransaction
from streams.domain import cycles, items
from streams.domain.cycles import CYCLE
from streams.domain.decide import decide_fact, decide_result
from streams.domain.facts import HostBlock
from streams.domain.lifecycle import WorkState
from streams.domain.results import Failed
from streams.domain.rows import HandleRow, WorkRow
from streams.domain.state import Read, State
from streams.services.graph.session import Session

ANCHOR = block("0", 0, "-1", anchor=True)


def link(at: int) -> bytes:
    return h(f"x{at}")


def chain(length: int) -> HostBlock:
    """Each transaction uses what the one before made."""
    logs = Logs().trivial(link(0), 0, "t0").allow(link(0), "t0")
    for at in range(1, length):
        logs.add(link(at - 1), 1, link(at), f"t{at}").allow(link(at), f"t{at}")
    return block("1", 1, "0", logs)


def chain_of_blocks(length: int) -> list[HostBlock]:
    """The same, a block for each."""
    blocks = [block("1", 1, "0", Logs().trivial(link(0), 0).allow(link(0)))]
    for at in range(1, length):
        logs = Logs().add(link(at - 1), 1, link(at)).allow(link(at))
        blocks.append(block(str(at + 1), at + 1, str(at), logs))
    return blocks


def compute(state: State, at: int) -> WorkRow:
    rows = state.rows(WorkRow)
    return next(row for row in rows if row.kind == items.COMPUTE and row.subject == link(at))


def failed(row: WorkRow) -> Failed:
    base = {"item": row.id, "attempt": row.attempt, "worker": "w"}
    return Failed(**base, category="irrecoverable", error="OperationError", message="no")


class Counting(State):
    """Counts what a decision asks and changes."""

    def __init__(self) -> None:
        super().__init__(complete=True)
        self.steps = 0

    def get(self, table, *key):
        self.steps += 1
        return super().get(table, *key)

    def find(self, table, columns, *values):
        found = super().find(table, columns, *values)
        self.steps += 1 + len(found)
        return found

    def put(self, row) -> None:
        self.steps += 1
        super().put(row)


@pytest.mark.parametrize("blocks", [[chain(30)], chain_of_blocks(30)])
def test_links_become_ready_one_after_the_other(blocks: list[HostBlock]) -> None:
    state = run([KEY, ANCHOR, *blocks])
    computes = [row for row in state.rows(WorkRow) if row.kind == items.COMPUTE]
    assert len(computes) == 30
    assert [row.subject for row in computes if row.state is WorkState.READY] == [link(0)]
    (result,) = answer(state, compute(state, 0))
    decide_result(state, TENANT, result, 0)
    assert compute(state, 1).state is WorkState.READY
    assert compute(state, 2).state is WorkState.BLOCKED
    settle(state)
    assert {row.state for row in state.rows(WorkRow)} == {WorkState.DONE}


def test_links_that_come_in_the_wrong_order_of_blocks_wait_for_each_other() -> None:
    first = block("1", 1, "0", Logs().add(link(0), 1, link(1)).allow(link(1)))
    second = block("2", 2, "1", Logs().trivial(link(0), 0).allow(link(0)))
    state = run([KEY, ANCHOR, first, second])
    assert compute(state, 1).state is WorkState.BLOCKED
    settle(state)
    assert {row.state for row in state.rows(WorkRow)} == {WorkState.DONE}


def circle_of_blocks(length: int) -> list[HostBlock]:
    """Each block uses what the next one makes, the last one what the first made: all of it forged."""
    blocks: list[HostBlock] = []
    for at in range(length):
        logs = Logs().add(link((at + 1) % length), 1, link(at)).allow(link(at))
        blocks.append(block(str(at + 1), at + 1, str(at), logs))
    return blocks


def circle(length: int) -> list[HostBlock]:
    """The same as transactions of one block."""
    logs = Logs()
    for at in range(length):
        logs.add(link((at + 1) % length), 1, link(at), f"t{at}").allow(link(at), f"t{at}")
    return [block("1", 1, "0", logs)]


@pytest.mark.parametrize("blocks", [circle(2), circle_of_blocks(2), circle(3), circle_of_blocks(3)])
def test_items_that_need_each_other_fail_with_the_error_of_a_cycle(blocks: list[HostBlock]) -> None:
    state = run([KEY, ANCHOR, *blocks])
    made = [row for row in state.rows(WorkRow) if row.kind == items.COMPUTE]
    assert {(row.state, row.cause) for row in made} == {(WorkState.FAILED, CYCLE)}
    letters = {row.subject.decode() for row in state.rows(WorkRow) if row.kind == items.DEAD_LETTER}
    assert letters == {row.id for row in made}


@pytest.mark.parametrize("is_late", [True, False])
def test_a_circle_takes_along_who_waits_for_it_and_nobody_else(is_late: bool) -> None:
    bystander = Logs().trivial(h("free"), 2, "f").allow(h("free"), "f")
    bystander.add(link(0), 1, h("after"), "a").allow(h("after"), "a")
    bystander.add(h("free"), 1, h("beside"), "b").allow(h("beside"), "b")
    at = 3 if is_late else 1
    others = block(str(at), at, str(at - 1), bystander)
    logs = Logs().add(link(1), h("free"), link(0)).allow(link(0))
    first = block("c0", 1 + (at == 1), "0" if is_late else "1", logs)
    second = block("c1", first.number + 1, "c0", Logs().add(link(0), 1, link(1)).allow(link(1)))
    rest = [first, second, msgspec.structs.replace(others, parent_hash=second.hash)]
    state = run([KEY, ANCHOR, *(rest if is_late else [others, first, second])])
    settle(state)
    computes = [row for row in state.rows(WorkRow) if row.kind == items.COMPUTE]
    found = {row.subject: (row.state, row.cause) for row in computes}
    assert found[link(0)] == found[link(1)] == (WorkState.FAILED, CYCLE)
    assert found[h("after")] == (WorkState.BLOCKED, CYCLE)
    assert found[h("free")] == found[h("beside")] == (WorkState.DONE, "")


def test_what_is_only_allowed_late_is_no_circle() -> None:
    """An item is made after those that wait for it, waits itself, and all of them are computed."""
    early = Logs().trivial(link(0), 0, "t0").allow(link(0), "t0").add(link(0), 1, link(1), "t1")
    logs = Logs().add(link(1), 1, link(2), "t2").allow(link(2), "t2").add(link(2), link(1), link(3), "t3")
    blocks = [block("1", 1, "0", early), block("2", 2, "1", logs.allow(link(3), "t3"))]
    state = run([KEY, ANCHOR, *blocks, block("3", 3, "2", Logs().allow(link(1)))])
    assert [row.handle for row in state.rows(HandleRow) if row.is_awaited] == [link(1)]
    settle(state)
    assert {row.state for row in state.rows(WorkRow)} == {WorkState.DONE}


@pytest.mark.parametrize("blocks", [[chain(30)], chain_of_blocks(30)])
def test_nothing_is_looked_for_where_no_circle_can_be(
    blocks: list[HostBlock], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(cycles, "fail_circle", lambda state, tenant, item: looked.append(item))
    state = run([KEY, ANCHOR, *blocks])
    settle(state)
    assert looked == []
    assert not any(row.is_awaited for row in state.rows(HandleRow))


@pytest.mark.parametrize("length", [2, 30])
async def test_a_circle_is_found_whatever_of_it_is_stored_already(length: int) -> None:
    store = MemoryStore()
    epoch = (await store.claim(0, "me", TOPICS)).epoch
    for fact in (KEY, ANCHOR, *circle_of_blocks(length)):
        async with store.begin(0, epoch) as tx:
            session = Session(tx)
            await session.decide(lambda state, fact=fact: decide_fact(state, TENANT, fact, RULES))
            await tx.write(session.state.changes())
    assert {compute(store.state, at).cause for at in range(length)} == {CYCLE}


def test_a_circle_ends_the_same_in_every_order_of_facts_and_results() -> None:
    logs = Logs().trivial(h("free"), 2, "f").allow(h("free"), "f").add(link(0), h("free"), h("after"), "a")
    before = block("1", 1, "0", logs.allow(h("after"), "a"))
    first = block("2", 2, "1", Logs().add(link(1), h("free"), link(0)).allow(link(0)))
    second = block("3", 3, "2", Logs().add(link(0), 1, link(1)).allow(link(1)))
    facts = [KEY, ANCHOR, before, first, second]
    results = settle(run(facts))
    tables = [settled(interleave(facts, results, random.Random(order))) for order in range(20)]
    assert all(table == tables[0] for table in tables)


def test_work_of_a_chain_grows_with_its_length_only() -> None:
    def steps(length: int, act: Callable[[State], None]) -> int:
        state = Counting()
        run([KEY, ANCHOR], state)
        decide_fact(state, TENANT, chain(length), RULES)
        made, state.steps = state.steps, 0
        act(state)
        return made + state.steps

    def fail_first(state: State) -> None:
        decide_result(state, TENANT, failed(compute(state, 0)), 0)
        assert compute(state, 99).cause == "OperationError: no"

    assert steps(400, fail_first) <= 4.1 * steps(100, fail_first)


async def test_a_cause_travels_down_a_chain_in_a_few_rounds_however_long_it_is() -> None:
    loads = {length: [await fail_and_mend(length)] for length in (30, 120)}
    assert loads[30] == loads[120]


async def fail_and_mend(length: int) -> tuple[int, int]:
    """Questions to the store when the first link fails, and when it is computed after all."""
    store = MemoryStore()
    epoch = (await store.claim(0, "me", TOPICS)).epoch
    run([KEY, ANCHOR, chain(length)], store.state)
    head = compute(store.state, 0)

    async def decide(result: object) -> int:
        async with store.begin(0, epoch) as tx:
            counted = _Counted(tx)
            session = Session(counted)  # type: ignore[arg-type]
            decision = lambda state: decide_result(state, TENANT, result, 0)  # noqa: E731
            await session.decide(decision)
            await tx.write(session.state.changes())
        return counted.loads

    first = await decide(failed(head))
    assert {compute(store.state, at).cause for at in range(length)} == {"OperationError: no"}
    (answered,) = answer(store.state, head)
    second = await decide(answered)
    assert {compute(store.state, at).cause for at in range(length)} == {""}
    return first, second


async def test_a_cancelled_chain_is_revived_in_a_few_rounds_however_long_it_is() -> None:
    loads = {length: await revive_all(length) for length in (30, 120)}
    assert loads[30] == loads[120]


async def revive_all(length: int) -> int:
    """Questions to the store when a new branch uses the last link of a chain that went with the old one."""
    store = MemoryStore()
    epoch = (await store.claim(0, "me", TOPICS)).epoch
    run([KEY, ANCHOR, chain(length), block("b1", 1, "0"), block("b2", 2, "b1")], store.state)
    assert {compute(store.state, at).state for at in range(length)} == {WorkState.CANCELLED}
    after = block("b3", 3, "b2", Logs().add(link(length - 1), 1, h("after")).allow(h("after")))
    async with store.begin(0, epoch) as tx:
        counted = _Counted(tx)
        session = Session(counted)  # type: ignore[arg-type]
        await session.decide(lambda state: decide_fact(state, TENANT, after, RULES))
        await tx.write(session.state.changes())
    states = [compute(store.state, at).state for at in range(length)]
    assert states == [WorkState.READY, *[WorkState.BLOCKED] * (length - 1)]
    return counted.loads


class _Counted:
    """A transaction that counts how often it is asked for rows."""

    def __init__(self, tx: MemoryTransaction) -> None:
        self._tx = tx
        self.loads = 0

    async def load(self, reads: list[Read]) -> list[list]:
        self.loads += 1
        return await self._tx.load(reads)

    async def downstream(self, tenant: str, tokens: list[bytes]) -> list[str]:
        return await self._tx.downstream(tenant, tokens)

    async def upstream(self, tenant: str, of: list[str]) -> list[str]:
        return await self._tx.upstream(tenant, of)


def test_a_chain_of_ten_thousand_transactions_is_planned_and_told_its_cause() -> None:
    state = run([KEY, ANCHOR, chain(10_000)])
    decide_result(state, TENANT, failed(compute(state, 0)), 0)
    assert compute(state, 9_999).cause == "OperationError: no"
