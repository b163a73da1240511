"""A decision over a slice of the state, loaded on demand, is the decision over all of it."""

import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.decide import decide_fact, decide_result
from streams.domain.rows import BlockRow
from streams.domain.state import Missing, Read, State
from tests.unit.domain.test_law import make_world
from tests.unit.domain.worlds import RULES, TENANT, block, interleave, settled, walk


def _load(part: State, whole: State, read: Read) -> None:
    if read.columns == read.table.KEY:
        row = whole.get(read.table, *read.values)
        part.load(read, [] if row is None else [row])
    else:
        part.load(read, whole.find(read.table, read.columns, *read.values))


def _decide_over_slice(whole: State, decide: Callable[[State], None]):
    part = State()
    while True:
        mark = part.mark()
        try:
            decide(part)
            break
        except Missing as missing:
            part.rollback(mark)
            _load(part, whole, missing.read)
    changes = part.changes()
    for rows in (*changes.created.values(), *changes.written.values()):
        for row in rows:
            whole.put(row)
    for table, keys in changes.deleted.items():
        for row in filter(None, (whole.get(table, *key) for key in keys)):
            whole.delete(row)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9))
def test_decision_over_a_loaded_slice_equals_the_one_over_everything(seed: int):
    facts = make_world(seed)
    results = walk(facts, random.Random(seed))
    whole, left, right, order = State(complete=True), list(facts), list(results), random.Random(seed)
    while left or right:
        if left and (not right or order.random() < 0.5):
            fact = left.pop(0)
            _decide_over_slice(
                whole,
                lambda part, fact=fact: decide_fact(part, TENANT, fact, RULES),
            )
        else:
            result = right.pop(0)
            _decide_over_slice(
                whole,
                lambda part, result=result: decide_result(part, TENANT, result, 0),
            )
    assert settled(whole) == settled(interleave(facts, results, random.Random(seed)))


def test_rollback_leaves_no_trace_of_a_decision():
    state = State(complete=True)
    decide_fact(state, TENANT, block("b0", 0, "none", anchor=True), RULES)
    before, mark = settled(state), state.mark()
    decide_fact(state, TENANT, block("b1", 1, "b0"), RULES)
    state.rollback(mark)
    assert settled(state) == before


def test_load_keeps_what_the_set_has_changed_already():
    whole, part = State(complete=True), State()
    decide_fact(whole, TENANT, block("b0", 0, "none", anchor=True), RULES)
    stored = whole.rows(BlockRow)[0]
    part.put(stored)
    part.load(Read(BlockRow, BlockRow.KEY, (TENANT, stored.hash)), [])
    assert part.get(BlockRow, TENANT, stored.hash) == stored
