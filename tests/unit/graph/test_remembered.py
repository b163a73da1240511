"""What is remembered is a guess: it saves a question and never an answer."""

import msgspec
import pytest
from test_session import Counting, tx
from unit.domain.worlds import CRS, KEY, RULES, TENANT, Logs, block, h

from streams.domain.decide import decide_fact
from streams.domain.facts import Fact
from streams.domain.rows import BlockRow, HandleRow, TenantRow, WaitRow, WorkRow
from streams.domain.state import Changes, Read
from streams.services.graph.remembered import Remembered
from streams.services.graph.session import Decision, Session

__all__ = ["tx"]  # the fixture

TIP = Read(TenantRow, TenantRow.KEY, (TENANT,))


def decision(fact: Fact) -> Decision:
    return lambda state: decide_fact(state, TENANT, fact, RULES)


def handle(name: str) -> HandleRow:
    return HandleRow(tenant=TENANT, handle=h(name), fhe_type=5)


def read(name: str) -> Read:
    return Read(HandleRow, HandleRow.KEY, (TENANT, h(name)))


async def test_the_least_used_is_forgotten_first() -> None:
    remembered = Remembered(2)
    remembered.learn(read("a"), [handle("a")])
    remembered.learn(read("b"), [handle("b")])
    assert remembered.get(read("a")) == handle("a")
    remembered.keep(Changes({}, {}, {HandleRow: [handle("c")]}))
    assert [remembered.get(read(name)) for name in "abc"] == [handle("a"), None, handle("c")]


async def test_only_what_a_block_leads_to_is_kept() -> None:
    remembered = Remembered()
    wait = WaitRow(tenant=TENANT, item="i", token=b"t")
    by_key = Read(WaitRow, WaitRow.KEY, (TENANT, "i", b"t"))
    remembered.learn(by_key, [wait])
    remembered.keep(Changes({WaitRow: [wait]}, {}, {}))
    assert remembered.get(by_key) is None


async def test_what_the_store_no_longer_has_is_forgotten() -> None:
    remembered = Remembered()
    remembered.learn(read("a"), [handle("a")])
    remembered.learn(read("a"), [])
    assert remembered.get(read("a")) is None


@pytest.mark.parametrize("is_stale", [False, True])
async def test_a_block_is_decided_over_what_is_remembered_and_again_where_that_was_wrong(
    tx: Counting, is_stale: bool
) -> None:
    remembered = Remembered()
    first = Session(tx, remembered)
    start: list[Fact] = [block("0", 0, "-1", anchor=True), KEY, CRS]
    await first.decide_each([decision(fact) for fact in start])
    remembered.keep(first.state.changes())
    await tx.write(first.state.changes())
    if is_stale:  # as an owner in between has left it
        row = tx.state.get(TenantRow, TENANT)
        assert row is not None
        tx.state.put(msgspec.structs.replace(row, key_id=b"another"))
    tx.rounds = 0
    second = Session(tx, remembered)
    parent = Read(BlockRow, BlockRow.KEY, (TENANT, block("0", 0, "-1").hash))
    assert second.recall([TIP, parent])
    logs = Logs().trivial(h("a"), 1).allow(h("a"))
    await second.decide_each([decision(block("1", 1, "0", logs))])
    assert tx.rounds == 1 + is_stale
    (item,) = (row for row in second.state.changes().rows(WorkRow) if row.kind == "compute")
    found = tx.state.get(TenantRow, TENANT)
    assert found is not None
    assert item.key_id == found.key_id


async def test_without_memory_everything_is_asked(tx: Counting) -> None:
    assert not Session(tx).recall([TIP])
