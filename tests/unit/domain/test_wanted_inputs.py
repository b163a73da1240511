"""What a goal is made of is computed as long as it is one, whatever becomes of the branches in between."""

import msgspec
import pytest

from streams.domain import items
from streams.domain.decide import decide_fact, decide_result
from streams.domain.facts import Fact
from streams.domain.lifecycle import WorkState
from streams.domain.results import Failed
from streams.domain.rows import WorkRow
from streams.domain.state import State
from tests.unit.domain.worlds import (
    KEY,
    RULES,
    TENANT,
    Logs,
    answer,
    block,
    h,
    ready,
    run,
    settle,
    settled,
)

ANCHOR = block("b0", 0, "none", anchor=True)
ONE, INNER, GOAL = h("one"), h("inner"), h("goal")


def inner(tx: str = "t") -> Logs:
    return Logs().trivial(ONE, 1, tx).add(ONE, ONE, INNER, tx)


def both(tx: str = "u") -> Logs:
    """One transaction that needs the inner value and allows only what it makes of it."""
    return inner(tx).add(INNER, 3, GOAL, tx).allow(GOAL, tx)


def compute(state: State, handle: bytes) -> WorkRow:
    (row,) = (r for r in state.rows(WorkRow) if r.kind == items.COMPUTE and r.subject == handle)
    return row


def revived() -> State:
    """Two items, one after the other; then a branch on which only the second one's result is allowed."""
    two_items = [
        block("a1", 1, "b0", inner().allow(INNER, "t")),
        block("a2", 2, "a1", Logs().add(INNER, 3, GOAL, "u").allow(GOAL, "u")),
    ]
    state = run([KEY, ANCHOR, *two_items, block("x1", 1, "b0"), block("x2", 2, "x1"), block("x3", 3, "x2")])
    assert {row.state for row in state.rows(WorkRow)} == {WorkState.CANCELLED}
    return run([block("x4", 4, "x3", both())], state)


def test_what_was_a_goal_on_a_lost_branch_is_computed_as_a_part_of_a_goal() -> None:
    state = run([KEY, ANCHOR, block("a1", 1, "b0", inner().allow(INNER, "t"))])
    run([block("x1", 1, "b0", both()), block("x2", 2, "x1")], state)
    settle(state)
    assert compute(state, GOAL).state is WorkState.DONE
    assert compute(state, INNER).state is WorkState.CANCELLED


def test_the_components_of_a_branch_do_not_depend_on_branches_seen_before() -> None:
    branch = [block("x1", 1, "b0", both()), block("x2", 2, "x1")]
    after_another = run([KEY, ANCHOR, block("a1", 1, "b0", inner().allow(INNER, "t")), *branch])
    alone = run([KEY, ANCHOR, *branch])
    assert compute(after_another, GOAL).cost_ms == compute(alone, GOAL).cost_ms
    assert compute(after_another, GOAL).missing == compute(alone, GOAL).missing == 0


def test_an_item_that_is_wanted_again_wants_its_inputs_again() -> None:
    state = revived()
    assert [row.subject for row in ready(state)] == [INNER]
    settle(state)
    assert compute(state, GOAL).state is WorkState.DONE


def test_an_input_that_a_goal_waits_for_is_kept_when_it_ceases_to_be_a_goal_itself() -> None:
    state = revived()
    run([block("x5", 5, "x4", Logs().allow(INNER, "v")), block("y5", 5, "x4"), block("y6", 6, "y5")], state)
    assert [row.subject for row in ready(state)] == [INNER]


def test_an_input_that_a_goal_waits_for_is_tried_again() -> None:
    state = revived()
    (row,) = ready(state)
    state.put(msgspec.structs.replace(row, state=WorkState.DISPATCHED))
    failed = Failed(
        item=row.id, attempt=0, worker="w", category="recoverable", error="WorkerCrashed", message=""
    )
    decide_result(state, TENANT, failed, 0)
    assert compute(state, INNER).state is WorkState.READY


@pytest.mark.parametrize("length", [2, 50])
def test_a_chain_of_items_that_nothing_wants_is_cancelled_whole(length: int) -> None:
    names = [h(f"v{n}") for n in range(length)]
    logs = inner("t0").allow(INNER, "t0").add(INNER, 1, names[0], "t1").allow(names[0], "t1")
    for n in range(1, length):
        logs.add(names[n - 1], 1, names[n], f"t{n + 1}").allow(names[n], f"t{n + 1}")
    state = run([KEY, ANCHOR, block("a1", 1, "b0", logs), block("x1", 1, "b0"), block("x2", 2, "x1")])
    assert {row.state for row in state.rows(WorkRow)} == {WorkState.CANCELLED}
    run([block("a2", 2, "a1"), block("a3", 3, "a2")], state)
    settle(state)
    assert {row.state for row in state.rows(WorkRow)} == {WorkState.DONE}


OLD = h("old")
BEFORE: tuple[Fact, ...] = (KEY, ANCHOR, block("b1", 1, "b0", Logs().trivial(OLD, 9, "o").allow(OLD, "o")))
# The goal takes a value of the key set before, so it fails as soon as that is stored, and a value that is
# still to be computed; then its branch goes, and comes back with the goal alone.
MIXED: tuple[Fact, ...] = (
    msgspec.structs.replace(KEY, key_id=b"\x09" * 32, digest=b"\x08" * 32),
    block("a2", 2, "b1", inner().allow(INNER, "t")),
    block("a3", 3, "a2", Logs().add(INNER, OLD, GOAL, "u").allow(GOAL, "u")),
    block("x2", 2, "b1"),
    block("x3", 3, "x2"),
    block("x4", 4, "x3"),
    block("x5", 5, "x4", inner("u").add(INNER, OLD, GOAL, "u").allow(GOAL, "u")),
)
AFTER_WHICH = {"wanted": 3, "gone": 6, "wanted again": 7}


@pytest.mark.parametrize("facts", AFTER_WHICH.values(), ids=AFTER_WHICH.keys())
@pytest.mark.parametrize("came", range(8))
def test_when_an_item_fails_never_decides_whether_its_other_inputs_are_wanted(facts: int, came: int) -> None:
    """Its value of the old key set may come before it is made, while it waits, or after its branch went."""
    state = run(BEFORE)
    (result,) = answer(state, compute(state, OLD))
    for at, fact in enumerate(MIXED[:facts]):
        if at == came:
            decide_result(state, TENANT, result, 0)
        decide_fact(state, TENANT, fact, RULES)
    if came >= facts:
        decide_result(state, TENANT, result, 0)
    first = run(BEFORE)
    decide_result(first, TENANT, result, 0)
    assert settled(state) == settled(run(MIXED[:facts], first))
    wanted = WorkState.CANCELLED if facts == AFTER_WHICH["gone"] else WorkState.READY
    assert compute(state, INNER).state is wanted
    assert compute(state, GOAL).state is WorkState.FAILED
