"""A record that moves many rows asks the store a few times, however many they are."""

from collections.abc import Sequence

import pytest
from port_contracts.store import TOPICS
from test_chains import compute, failed, link
from unit.domain.worlds import (
    CRS,
    KEY,
    RULES,
    TENANT,
    Logs,
    answer,
    block,
    gateway,
    h,
    request_log,
    run,
    settled,
)

from streams.adapters.memory.store import MemoryStore, MemoryTransaction
from streams.domain import items
from streams.domain.decide import decide_fact, decide_result
from streams.domain.facts import Fact, HostBlock
from streams.domain.lifecycle import WorkState
from streams.domain.results import Result
from streams.domain.rows import TABLES, BlockRow, BlockStatus, GatewayBlockRow, Row, WaitRow, WorkRow
from streams.domain.state import Read, State
from streams.services.graph.session import Decision, Session

MOST = 15  # questions for one record
MOST_OF_BRANCHES = 20
WAITING = 400
BLOCKS = 100
ANCHOR = block("0", 0, "-1", anchor=True)


class Counted(MemoryTransaction):
    """A transaction that counts how often it is asked."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store.state, store.tables, 0, 1)
        self.questions = 0

    async def load(self, reads: Sequence[Read]) -> list[list[Row]]:
        self.questions += bool(reads)
        return await super().load(reads)

    async def downstream(self, tenant: str, tokens: Sequence[bytes]) -> list[str]:
        self.questions += 1
        return await super().downstream(tenant, tokens)

    async def upstream(self, tenant: str, items: Sequence[str]) -> list[str]:
        self.questions += 1
        return await super().upstream(tenant, items)

    async def ancestors(self, tenant: str, hashes: Sequence[bytes], most: int) -> list[bytes]:
        self.questions += 1
        return await super().ancestors(tenant, hashes, most)

    async def orphans(self, tenant: str, hashes: Sequence[bytes], most: int) -> list[bytes]:
        self.questions += 1
        return await super().orphans(tenant, hashes, most)

    async def ends(self, tenant: str, numbers: Sequence[int], most: int) -> list[int]:
        self.questions += 1
        return await super().ends(tenant, numbers, most)


async def questions(state: State, *decisions: Decision) -> int:
    """How often the store of this state is asked for these; what they do to it is what they do at once."""
    store = MemoryStore()
    await store.claim(0, "me", TOPICS)
    for table in TABLES:
        for row in state.rows(table):
            store.state.put(row)
    tx, session = Counted(store), Session()
    session.enter(tx)
    session.expect([TENANT])
    await session.decide_each(decisions)
    await tx.write(session.state.changes())
    for decision in decisions:
        decision(state)
    assert settled(store.state) == settled(state)
    return tx.questions


def of_fact(fact: Fact) -> Decision:
    return lambda state: decide_fact(state, TENANT, fact, RULES)


def of_result(result: Result) -> Decision:
    return lambda state: decide_result(state, TENANT, result, 0)


def fan(width: int) -> HostBlock:
    """Many transactions use what one makes."""
    logs = Logs().trivial(link(0), 0, "t0").allow(link(0), "t0")
    for at in range(1, width + 1):
        logs.add(link(0), at, link(at), f"t{at}").allow(link(at), f"t{at}")
    return block("1", 1, "0", logs)


def two_fans(width: int) -> HostBlock:
    """Many transactions use what each of two makes."""
    logs = Logs()
    for name in "ab":
        logs.trivial(h(name), 0, name).allow(h(name), name)
    for at in range(width):
        logs.add(h("a"), h("b"), h(f"c{at}"), f"t{at}").allow(h(f"c{at}"), f"t{at}")
    return block("1", 1, "0", logs)


def states(state: State) -> dict[str, set[WorkState]]:
    found: dict[str, set[WorkState]] = {}
    for row in state.rows(WorkRow):
        found.setdefault(row.kind, set()).add(row.state)
    return found


async def test_what_many_wait_for_is_computed() -> None:
    state = run([KEY, ANCHOR, fan(WAITING)])
    (result,) = answer(state, compute(state, 0))
    assert await questions(state, of_result(result)) <= MOST
    assert compute(state, WAITING).state is WorkState.READY


async def test_what_many_wait_for_fails_and_is_computed_after_all() -> None:
    state = run([KEY, ANCHOR, fan(WAITING)])
    head = compute(state, 0)
    assert await questions(state, of_result(failed(head))) <= MOST
    assert compute(state, WAITING).cause == "OperationError: no"
    (result,) = answer(state, head)
    assert await questions(state, of_result(result)) <= MOST
    assert compute(state, WAITING).cause == ""


async def test_results_of_one_batch_that_the_same_items_wait_for() -> None:
    state = run([KEY, ANCHOR, two_fans(WAITING)])
    heads = [row for row in state.rows(WorkRow) if row.kind == items.COMPUTE and not row.missing]
    results = [of_result(result) for head in heads for result in answer(state, head)]
    assert await questions(state, *results) <= MOST


@pytest.mark.parametrize("result_is_early", [True, False])
async def test_the_first_key_of_a_tenant_comes_after_many_blocks(result_is_early: bool) -> None:
    state = run([ANCHOR, fan(WAITING), CRS])
    if result_is_early:
        with_key = run([KEY, ANCHOR, fan(WAITING)])
        (result,) = answer(with_key, compute(with_key, 0))
        decide_result(state, TENANT, result, 0)
    assert await questions(state, of_fact(KEY)) <= MOST
    assert not state.find(WaitRow, ("tenant", "token"), TENANT, items.KEY_TOKEN)


async def test_the_first_reference_string_comes_after_many_requests() -> None:
    logs = [request_log(at) for at in range(1, WAITING + 1)]
    state = run([KEY, ANCHOR, gateway(0, 1, *logs)])
    assert await questions(state, of_fact(CRS)) <= MOST
    assert states(state)[items.PROOF] == {WorkState.READY}


def branch(name: str, length: int, *, chained: bool = False, first: int = 1) -> list[HostBlock]:
    """Blocks of two operations each, which may take what the block before made."""
    blocks: list[HostBlock] = []
    for at in range(first, first + length):
        before = h(f"y{at - 1}") if chained and at > first else h("nobody's")
        logs = Logs().trivial(h(f"x{at}"), at).add(h(f"x{at}"), before, h(f"y{at}"))
        logs.allow(h(f"x{at}")).allow(h(f"y{at}"))
        parent = f"{name}{at - 1}" if at > 1 else "0"
        blocks.append(block(f"{name}{at}", at, parent, logs))
    return blocks


@pytest.mark.parametrize("chained", [True, False])
async def test_the_parent_of_many_pending_blocks_comes(chained: bool) -> None:
    first, *rest = branch("a", BLOCKS, chained=chained)
    state = run([KEY, ANCHOR, *rest])
    assert await questions(state, of_fact(first)) <= MOST
    assert {row.status for row in state.rows(BlockRow)} == {BlockStatus.CANONICAL}


@pytest.mark.parametrize("chained", [True, False])
@pytest.mark.parametrize("kept", [0, 40])
async def test_many_blocks_are_reorganised(chained: bool, kept: int) -> None:
    old = branch("a", kept + BLOCKS, chained=chained)
    new = branch("b", BLOCKS + 1, chained=chained, first=kept + 1)
    if kept:
        new[0] = block(f"b{kept + 1}", kept + 1, f"a{kept}")
    state = run([KEY, ANCHOR, *old, *new[:-1]])
    assert await questions(state, of_fact(new[-1])) <= MOST_OF_BRANCHES
    statuses = [row.status for row in state.rows(BlockRow)]
    assert statuses.count(BlockStatus.SIDE) == BLOCKS


async def test_many_ranges_of_the_gateway_are_reorganised() -> None:
    ranges = [gateway(at, at + 1, request_log(at + 1, number=at + 1)) for at in range(BLOCKS)]
    state = run([KEY, CRS, ANCHOR, *ranges])
    other = gateway(0, BLOCKS, request_log(1, b"another"), branch="other", from_branch="g")
    assert await questions(state, of_fact(other)) <= MOST_OF_BRANCHES
    assert len(state.rows(GatewayBlockRow)) == 2


def test_an_item_that_is_not_there_is_a_defect() -> None:
    state = State(complete=True)
    state.put(WaitRow(tenant=TENANT, item="nobody", token=items.KEY_TOKEN))
    with pytest.raises(AssertionError, match="work_items"):
        decide_fact(state, TENANT, KEY, RULES)


async def test_nor_is_it_passed_over_where_the_store_has_to_be_asked() -> None:
    store = MemoryStore()
    store.state.put(WaitRow(tenant=TENANT, item="nobody", token=items.KEY_TOKEN))
    await store.claim(0, "me", TOPICS)
    with pytest.raises(AssertionError, match="work_items"):
        await Session(Counted(store)).decide_each([of_fact(KEY)])
