"""The slow lane: long chains of dependent operations, and what waits for them."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain import items
from streams.domain.decide import Rules
from streams.domain.facts import Fact
from streams.domain.rows import WorkRow
from streams.domain.schedule import SLOW_LANE
from tests.unit.domain import worlds
from tests.unit.domain.test_law import make_world
from tests.unit.domain.worlds import KEY, SENDER, Logs, block, h, interleave, run, settled, walk

ANCHOR = block("b0", 0, "none", anchor=True)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chains of three operations still take the fast lane."""
    monkeypatch.setattr(worlds, "RULES", Rules(sender_address=SENDER, chain_ops_max=3))


def lanes(facts: list[Fact]) -> dict[bytes, int]:
    """Priorities of compute items by their first output."""
    rows = run([KEY, ANCHOR, *facts]).rows(WorkRow)
    return {row.subject: row.priority for row in rows if row.kind == items.COMPUTE}


def chain(name: str, length: int, logs: Logs | None = None, start: bytes = b"") -> Logs:
    """As many operations, each in a transaction of its own, each on the result of the one before."""
    logs, last = logs or Logs(), start
    for at in range(length):
        result, tx = h(f"{name}{at}"), f"{name}{at}"
        logs = (logs.add(last, 1, result, tx) if last else logs.trivial(result, 1, tx)).allow(result, tx)
        last = result
    return logs


@pytest.mark.usefixtures("short")
def test_a_chain_over_transactions_is_slow_as_a_whole_and_its_neighbours_are_not() -> None:
    found = lanes([block("b1", 1, "b0", chain("short", 3, chain("long", 4)))])
    assert {found[h(f"long{at}")] for at in range(4)} == {SLOW_LANE}
    assert {found[h(f"short{at}")] for at in range(3)} == {0}


@pytest.mark.usefixtures("short")
def test_a_component_that_is_long_by_itself_is_slow() -> None:
    logs = Logs().trivial(h("a0"), 1)
    for at in range(3):
        logs.add(h(f"a{at}"), 1, h(f"a{at + 1}"))
    found = lanes([block("b1", 1, "b0", logs.allow(h("a3")))])
    assert found == {h("a3"): SLOW_LANE}


@pytest.mark.usefixtures("short")
def test_what_waits_for_a_slow_item_of_an_earlier_block_is_slow_too() -> None:
    later = chain("next", 1, chain("free", 1), start=h("long1"))
    found = lanes([block("b1", 1, "b0", chain("long", 4)), block("b2", 2, "b1", later)])
    assert (found[h("next0")], found[h("free0")]) == (SLOW_LANE, 0)


def test_without_the_setting_there_is_one_lane() -> None:
    assert set(lanes([block("b1", 1, "b0", chain("long", 40))]).values()) == {0}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_lanes_follow_from_facts_alone(world: int, live: int, order: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worlds, "RULES", Rules(sender_address=SENDER, chain_ops_max=1))
        facts = make_world(world)
        results = walk(facts, random.Random(live))
        assert settled(interleave(facts, results, random.Random(order))) == settled(
            interleave(facts, results, random.Random(order + 1))
        )
