"""Allowances come, go and come back with the branches that hold them, however far their work has come."""

import msgspec
import pytest

from streams.domain import items
from streams.domain.decide import decide_result
from streams.domain.facts import HostBlock
from streams.domain.lifecycle import WorkState
from streams.domain.rows import DivergenceRow, HandleRow, WorkRow
from streams.domain.state import State
from tests.unit.domain.worlds import KEY, TENANT, Logs, answer, block, h, ready, run, settle

ANCHOR = block("b0", 0, "none", anchor=True)
ONE, TWO, SUM = h("one"), h("two"), h("sum")
BOUND = 50
STEPS = 4  # compute, squash, then commit and publication


def computed() -> Logs:
    return Logs().trivial(ONE, 1).trivial(TWO, 2).add(ONE, TWO, SUM)


def minted() -> Logs:
    return computed().allow(SUM)


def reasons(state: State) -> int:
    row = state.get(HandleRow, TENANT, SUM)
    return 0 if row is None else row.reasons


def states(state: State) -> dict[str, WorkState]:
    return {row.kind: row.state for row in state.rows(WorkRow)}


def work(state: State, steps: int) -> None:
    """Answer so many ready items."""
    for _ in range(steps):
        for result in answer(state, ready(state)[0]):
            decide_result(state, TENANT, result, 0)


@pytest.mark.parametrize("steps", range(STEPS + 1))
def test_an_allowance_is_withdrawn_at_any_stage_of_its_work(steps: int) -> None:
    state = run([KEY, ANCHOR, block("a1", 1, "b0", minted())])
    work(state, steps)
    done = {kind for kind, at in states(state).items() if at is WorkState.DONE}
    run([block("x1", 1, "b0", computed()), block("x2", 2, "x1")], state)
    assert reasons(state) == 0
    assert not ready(state)
    assert {kind for kind, at in states(state).items() if at is WorkState.DONE} == done
    run([block("a2", 2, "a1"), block("a3", 3, "a2")], state)
    settle(state)
    assert reasons(state) == 1
    assert len(state.rows(WorkRow)) == STEPS
    assert set(states(state).values()) == {WorkState.DONE}


@pytest.mark.parametrize("steps", range(STEPS))
def test_what_was_in_flight_when_it_was_withdrawn_ends_and_starts_nothing(steps: int) -> None:
    state = run([KEY, ANCHOR, block("a1", 1, "b0", minted())])
    work(state, steps)
    (sent, *_others) = ready(state)
    results = answer(state, sent)
    state.put(msgspec.structs.replace(sent, state=WorkState.DISPATCHED))
    run([block("x1", 1, "b0"), block("x2", 2, "x1")], state)
    for result in results:
        decide_result(state, TENANT, result, 0)
    assert not ready(state)
    assert {WorkState.DONE, WorkState.CANCELLED} >= set(states(state).values())


def test_the_same_handle_in_both_branches_is_worked_on_once() -> None:
    once = run([KEY, ANCHOR, block("a1", 1, "b0", minted())])
    settle(once)
    both = run([block("x1", 1, "b0"), block("x2", 2, "x1", minted())], once)
    assert reasons(both) == 1
    assert len(both.rows(WorkRow)) == STEPS
    assert not ready(both)
    assert not both.rows(DivergenceRow)


def test_an_allowance_later_than_the_value_moves_to_another_block() -> None:
    state = run([KEY, ANCHOR, block("b1", 1, "b0", computed()), block("a2", 2, "b1", Logs().allow(SUM, "t"))])
    settle(state)
    run([block("x2", 2, "b1"), block("x3", 3, "x2")], state)
    assert reasons(state) == 0
    run([block("x4", 4, "x3", Logs().allow(SUM, "t"))], state)
    assert reasons(state) == 1
    assert len(state.rows(WorkRow)) == STEPS
    assert set(states(state).values()) == {WorkState.DONE}


def test_a_value_of_both_branches_that_only_the_new_one_allows_is_computed() -> None:
    state = run([KEY, ANCHOR, block("a1", 1, "b0", computed())])
    assert not state.rows(WorkRow)
    run([block("x1", 1, "b0", computed()), block("x2", 2, "x1", Logs().allow(SUM, "t"))], state)
    settle(state)
    assert states(state)[items.COMPUTE] is WorkState.DONE


def test_a_branch_as_long_as_the_bound_is_taken_back_and_given_back() -> None:
    def branch(name: str, length: int) -> list[str]:
        return ["b0", *(f"{name}{number}" for number in range(1, length + 1))]

    def blocks(names: list[str], first: int = 1) -> list[HostBlock]:
        logs = {n: Logs().trivial(h(f"v{n}"), n).allow(h(f"v{n}")) for n in range(len(names))}
        return [block(names[n], n, names[n - 1], logs[n]) for n in range(first, len(names))]

    old, new = branch("a", BOUND), branch("x", BOUND + 1)
    state = run([KEY, ANCHOR, *blocks(old)])
    settle(state)
    run([*blocks(new)], state)
    rows = {row.handle: row.reasons for row in state.rows(HandleRow)}
    assert rows == {h(f"v{n}"): 1 for n in range(1, BOUND + 2)}
    again = [*old, f"a{BOUND + 1}", f"a{BOUND + 2}"]
    run([*blocks(again, BOUND + 1)], state)
    settle(state)
    assert {row.reasons for row in state.rows(HandleRow)} == {1}
    assert len(state.rows(WorkRow)) == STEPS * (BOUND + 2)
