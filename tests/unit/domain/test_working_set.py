"""A decision over a slice of the state, loaded on demand, is the decision over all of it."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.decide import decide_fact, decide_result
from streams.domain.rows import AllowedRow, BlockRow, CiphertextRow, Row
from streams.domain.state import Changes, Guesses, Missing, Read, State, key_of
from tests.unit.domain.test_law import make_world
from tests.unit.domain.worlds import RULES, TENANT, block, interleave, settled, walk


def _load(part: State, whole: State, read: Read) -> None:
    if read.columns == read.table.KEY:
        row = whole.get(read.table, *read.values)
        part.load(read, [] if row is None else [row])
    else:
        part.load(read, whole.find(read.table, read.columns, *read.values))


class _Slice(State):
    """A working set that holds each presumption against everything there is."""

    def __init__(self, whole: State):
        super().__init__()
        self._whole = whole

    def presume(self, table: type[Row], columns: tuple[str, ...], *values: Any) -> None:
        if columns == table.KEY:
            assert self._whole.get(table, *values) is None
        else:
            assert self._whole.find(table, columns, *values) == []
        super().presume(table, columns, *values)

    def add(self, row: Row) -> None:
        assert self._whole.get(type(row), *key_of(row)) is None
        super().add(row)


def _decide_over_slice(whole: State, decide: Callable[[State], None]):
    part = _Slice(whole)
    while True:
        mark = part.mark()
        try:
            decide(part)
            break
        except Missing as missing:
            part.rollback(mark)
            _load(part, whole, missing.read)
    changes = part.changes()
    assert not [
        row for rows in changes.created.values() for row in rows if whole.get(type(row), *key_of(row))
    ]
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


def test_a_guess_takes_what_was_never_looked_for_as_absent():
    state = State()
    guessed: Guesses = {}
    with state.guessing(guessed):
        assert state.get(BlockRow, TENANT, b"h") is None
        assert state.find(BlockRow, ("tenant", "parent_hash"), TENANT, b"h") == []
    reads = [
        Read(BlockRow, BlockRow.KEY, (TENANT, b"h")),
        Read(BlockRow, ("tenant", "parent_hash"), (TENANT, b"h")),
    ]
    assert list(guessed) == reads
    assert all(map(state.is_loaded, reads))


def test_a_guess_that_is_forgotten_is_asked_for_again():
    state = State()
    guessed: Guesses = {}
    with state.guessing(guessed):
        state.get(BlockRow, TENANT, b"h")
        state.find(BlockRow, ("tenant", "parent_hash"), TENANT, b"h")
    state.forget(guessed)
    with pytest.raises(Missing):
        state.get(BlockRow, TENANT, b"h")
    with pytest.raises(Missing):
        state.find(BlockRow, ("tenant", "parent_hash"), TENANT, b"h")


def _block_row() -> BlockRow:
    whole = State(complete=True)
    decide_fact(whole, TENANT, block("b0", 0, "none", anchor=True), RULES)
    return whole.rows(BlockRow)[0]


@pytest.mark.parametrize("by", [BlockRow.KEY, ("tenant", "parent_hash")])
def test_a_row_is_new_where_the_store_was_asked_and_has_none(by: tuple[str, ...]):
    row, state = _block_row(), State()
    state.put(row)
    assert state.changes().written == {BlockRow: [row]}
    state = State()
    state.load(Read(BlockRow, by, tuple(getattr(row, column) for column in by)), [])
    state.put(row)
    assert (state.changes().written, state.changes().created) == ({}, {BlockRow: [row]})


def test_a_row_that_the_store_had_is_not_new_though_it_was_put_first():
    row, state = _block_row(), State()
    state.put(row)
    state.load(Read(BlockRow, ("tenant", "parent_hash"), (TENANT, row.parent_hash)), [row])
    assert (state.changes().written, state.changes().created) == ({BlockRow: [row]}, {})


def test_a_row_that_is_added_is_new_though_nobody_asked_for_it():
    row, state = _block_row(), State()
    mark = state.mark()
    state.add(row)
    assert (state.changes().written, state.changes().created) == ({}, {BlockRow: [row]})
    state.rollback(mark)
    assert state.changes() == Changes({}, {})
    with pytest.raises(Missing):
        state.get(BlockRow, TENANT, row.hash)


def test_a_row_that_is_added_in_place_of_a_stored_one_is_not_new():
    row, state = _block_row(), State()
    state.load(Read(BlockRow, BlockRow.KEY, (TENANT, row.hash)), [row])
    state.delete(row)
    state.add(row)
    assert (state.changes().written, state.changes().created) == ({BlockRow: [row]}, {})


@pytest.mark.parametrize("is_searched", [False, True])
def test_a_group_has_the_rows_of_before_and_after_its_first_search(is_searched: bool):
    row, state = _block_row(), State(complete=True)
    other = msgspec.structs.replace(row, hash=b"other")
    state.put(row)
    if is_searched:
        state.find(BlockRow, ("tenant", "parent_hash"), TENANT, row.parent_hash)
    mark = state.mark()
    state.put(other)
    state.delete(row)
    assert state.find(BlockRow, ("tenant", "parent_hash"), TENANT, row.parent_hash) == [other]
    state.rollback(mark)
    assert state.find(BlockRow, ("tenant", "parent_hash"), TENANT, row.parent_hash) == [row]


def test_a_new_row_that_is_rolled_back_is_nobody_s_change():
    row, state = _block_row(), State()
    state.load(Read(BlockRow, BlockRow.KEY, (TENANT, row.hash)), [])
    mark = state.mark()
    state.put(row)
    state.rollback(mark)
    assert state.changes() == Changes({}, {})
    state.put(row)
    state.delete(row)
    assert state.changes() == Changes({}, {})


def test_a_group_follows_a_row_that_changes_its_place():
    row, state = _block_row(), State(complete=True)
    moved = msgspec.structs.replace(row, parent_hash=b"other")
    state.put(row)
    state.put(moved)
    assert state.find(BlockRow, ("tenant", "parent_hash"), TENANT, row.parent_hash) == []
    assert state.find(BlockRow, ("tenant", "parent_hash"), TENANT, b"other") == [moved]


def test_what_is_presumed_absent_is_not_asked_for_until_the_decision_is_taken_back():
    row, state = _block_row(), State()
    mark = state.mark()
    state.presume(BlockRow, BlockRow.KEY, TENANT, row.hash)
    state.presume(BlockRow, ("tenant", "parent_hash"), TENANT, row.hash)
    assert state.get(BlockRow, TENANT, row.hash) is None
    assert state.find(BlockRow, ("tenant", "parent_hash"), TENANT, row.hash) == []
    state.put(row)
    assert state.changes().created == {BlockRow: [row]}
    state.rollback(mark)
    with pytest.raises(Missing):
        state.get(BlockRow, TENANT, row.hash)
    with pytest.raises(Missing):
        state.find(BlockRow, ("tenant", "parent_hash"), TENANT, row.hash)


def test_a_presumption_hides_no_row_that_is_there():
    row, state = _block_row(), State()
    state.put(row)
    state.presume(BlockRow, BlockRow.KEY, TENANT, row.hash)
    state.presume(BlockRow, ("tenant", "parent_hash"), TENANT, row.parent_hash)
    assert state.get(BlockRow, TENANT, row.hash) == row
    assert state.find(BlockRow, ("tenant", "parent_hash"), TENANT, row.parent_hash) == [row]


def test_a_key_is_absent_where_the_group_that_it_would_be_in_is_known():
    state = State()
    state.load(Read(AllowedRow, ("tenant", "block_hash"), (TENANT, b"b")), [])
    assert state.get(AllowedRow, TENANT, b"h", b"a", b"b") is None
    with pytest.raises(Missing):
        state.get(AllowedRow, TENANT, b"h", b"a", b"another")


def test_what_is_settled_keeps_no_ciphertext() -> None:
    row = CiphertextRow(
        tenant=TENANT, handle=b"h", fhe_type=5, key_id=b"k", ciphertext=bytes(9), is_input=False
    )
    read = Read(CiphertextRow, CiphertextRow.KEY, (TENANT, b"h"))
    state = State()
    state.load(read, [row])
    assert state.is_loaded(read)
    state.settle()
    assert not state.is_loaded(read)
