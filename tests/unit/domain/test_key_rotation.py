"""After a rotation what is new uses the new key, what is stored keeps its own; they never meet silently."""

import random

import msgspec
import pytest

from streams.domain import items
from streams.domain.decide import decide_fact, decide_result
from streams.domain.errors import KeyMismatch
from streams.domain.facts import Fact
from streams.domain.lifecycle import WorkState
from streams.domain.results import Result
from streams.domain.rows import CommitRow, DigestRow, HandleRow, WorkRow
from streams.domain.state import State
from tests.unit.domain.worlds import (
    CRS,
    KEY,
    RULES,
    TENANT,
    Logs,
    answer,
    block,
    gateway,
    h,
    interleave,
    ready,
    request_log,
    run,
    settle,
    settled,
)

LATER = msgspec.structs.replace(KEY, key_id=b"\x09" * 32, digest=b"\x08" * 32)
ANCHOR = block("b0", 0, "none", anchor=True)
ONE, TWO, SUM, NEXT = h("one"), h("two"), h("sum"), h("next")
OLD = block("b1", 1, "b0", Logs().trivial(ONE, 1).allow(ONE))
MIX = block("b2", 2, "b1", Logs().trivial(TWO, 2, "tx2").add(ONE, TWO, SUM, "tx2").allow(SUM, "tx2"))
AFTER = block("b3", 3, "b2", Logs().add(SUM, 1, NEXT, "tx3").allow(NEXT, "tx3"))


def item(state: State, handle: bytes, kind: str = items.COMPUTE) -> WorkRow:
    return next(row for row in state.rows(WorkRow) if (row.kind, row.subject) == (kind, handle))


def is_mismatch(row: WorkRow) -> bool:
    return row.state is WorkState.FAILED and row.cause.startswith(f"{KeyMismatch.__name__}: ")


def test_the_new_key_is_used_from_its_fact_on_and_stored_values_keep_theirs() -> None:
    state = run([KEY, ANCHOR, OLD])
    settle(state)
    fresh = Logs().trivial(TWO, 2, "tx2").allow(TWO, "tx2")
    run([LATER, block("b2", 2, "b1", fresh)], state)
    settle(state)
    for handle, key in ((ONE, KEY), (TWO, LATER)):
        known, digests = state.get(HandleRow, TENANT, handle), state.get(DigestRow, TENANT, handle)
        assert known is not None
        assert digests is not None
        assert known.key_id == digests.key_id == key.key_id
        used = {
            item(state, handle, kind).key_id for kind in (items.COMPUTE, items.SQUASH, items.ADD_MATERIAL)
        }
        assert used == {key.key_id}
    assert not state.rows(CommitRow)


def test_an_old_value_that_is_allowed_again_is_squashed_with_its_own_key() -> None:
    state = run([KEY, ANCHOR, block("b1", 1, "b0", Logs().trivial(ONE, 1).trivial(TWO, 2).allow(ONE))])
    for result in answer(state, item(state, ONE)):
        decide_result(state, TENANT, result, 0)
    run([LATER], state)
    assert item(state, ONE, items.SQUASH).key_id == KEY.key_id


def test_an_input_of_another_key_set_fails_its_component_by_name() -> None:
    state = run([KEY, ANCHOR, OLD])
    settle(state)
    run([LATER, MIX, AFTER], state)
    mixed = item(state, SUM)
    assert is_mismatch(mixed)
    assert LATER.key_id.hex() in mixed.cause
    waiting = item(state, NEXT)
    assert (waiting.state, waiting.cause) == (WorkState.BLOCKED, mixed.cause)
    assert any(row.kind == items.DEAD_LETTER for row in state.rows(WorkRow))


def test_an_input_that_is_stored_later_fails_it_as_well() -> None:
    state = run([KEY, ANCHOR, OLD, LATER, MIX])
    assert item(state, SUM).state is WorkState.BLOCKED
    settle(state)
    assert is_mismatch(item(state, SUM))


def test_a_value_that_was_proven_before_the_rotation_is_of_the_old_key() -> None:
    proven = h("input1")
    state = run([KEY, CRS, ANCHOR, gateway(0, 1, request_log(1))])
    settle(state)
    used = Logs().add(proven, 1, SUM).allow(SUM)
    run([LATER, block("b1", 1, "b0", used)], state)
    assert is_mismatch(item(state, SUM))


def test_a_plaintext_that_looks_like_an_old_handle_is_no_input() -> None:
    state = run([KEY, ANCHOR, OLD])
    settle(state)
    number = int.from_bytes(ONE, "big")
    fresh = Logs().trivial(TWO, 2, "tx2").add(TWO, number, SUM, "tx2").allow(SUM, "tx2")
    run([LATER, block("b2", 2, "b1", fresh)], state)
    assert item(state, SUM).state is WorkState.READY


def test_an_item_that_has_no_key_yet_is_judged_when_it_gets_one() -> None:
    stored = _results([KEY, ANCHOR, OLD])
    state = State(complete=True)
    for result in stored:
        decide_result(state, TENANT, result, 0)
    run([ANCHOR, OLD, MIX], state)
    assert item(state, SUM).state is WorkState.BLOCKED
    decide_fact(state, TENANT, LATER, RULES)
    assert is_mismatch(item(state, SUM))


@pytest.mark.parametrize("seed", range(20))
def test_the_outcome_does_not_depend_on_when_the_results_came(seed: int) -> None:
    facts: list[Fact] = [KEY, ANCHOR, OLD, LATER, MIX, AFTER]
    results = _results(facts)
    expected = settled(interleave(facts, results, random.Random(seed)))
    assert expected == settled(interleave(facts, results, random.Random(seed + 1)))
    failed = [row for row in expected["work_items"] if isinstance(row, WorkRow) and is_mismatch(row)]
    assert [row.subject for row in failed] == [SUM]


def _results(facts: list[Fact]) -> list[Result]:
    state = run(facts)
    assert ready(state)
    return settle(state)
