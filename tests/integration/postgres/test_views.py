"""The views that operators ask: operations and acl_entries, as the graph service left their tables."""

from typing import Any

import pytest
from port_contracts.store import TOPICS
from unit.domain.worlds import CALLER, CRS, KEY, RULES, TENANT, Logs, block, digest, h, settle

from streams.adapters.postgres.store import PostgresStore
from streams.domain.decide import decide_fact
from streams.domain.facts import Fact
from streams.domain.state import State

pytestmark = pytest.mark.stack

A, B = h("a"), h("b")


def facts() -> list[Fact]:
    """Two branches: `b` is computed and allowed in the one that loses, `a` in both."""
    first = Logs().trivial(A, 1).allow(A)
    lost = Logs().add(A, 2, B).allow(B, account=b"\x09" * 20)
    start = [block("0", 0, "-1", anchor=True), KEY, CRS, block("1", 1, "0", first)]
    return [*start, block("2", 2, "1", lost), block("2b", 2, "1"), block("3b", 3, "2b", Logs().allow(A))]


async def stored(store: PostgresStore, *, is_settled: bool = True) -> None:
    state = State(complete=True)
    for fact in facts():
        decide_fact(state, TENANT, fact, RULES)
    if is_settled:
        settle(state)
    epoch = (await store.claim(0, "me", TOPICS)).epoch
    async with store.begin(0, epoch) as tx:
        await tx.write(state.changes())


async def rows(store: PostgresStore, sql: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await store.pool.fetch(sql)]


async def test_operations_tell_the_life_of_each_handle(store: PostgresStore) -> None:
    await stored(store)
    found = {row["handle"]: row for row in await rows(store, "select * from operations")}
    assert set(found) == {A, B}
    done, lost = found[A], found[B]
    assert (done["block_number"], done["block_status"], done["reasons"]) == (1, "canonical", 2)
    assert (done["compute_state"], done["is_completed"], done["is_squashed"]) == ("done", True, True)
    assert (done["caller"], done["transaction_id"], done["error_message"]) == (CALLER, digest("tx"), None)
    assert (lost["block_status"], lost["reasons"], lost["compute_state"]) == ("side", 0, "cancelled")
    assert lost["dependencies"] == [A, (2).to_bytes(32, "big")]


async def test_acl_entries_tell_which_rights_hold(store: PostgresStore) -> None:
    await stored(store, is_settled=False)
    found = await rows(store, "select * from acl_entries order by block_number, handle")
    told = [(row["handle"], row["account_address"], row["block_number"], row["holds"]) for row in found]
    assert told == [(A, CALLER, 1, True), (B, b"\x09" * 20, 2, False), (A, CALLER, 3, True)]
    assert {row["block_status"] for row in found} == {"canonical", "side"}
    assert not any(row["is_public"] for row in found)


async def test_a_right_without_its_block_is_of_unknown_standing(store: PostgresStore) -> None:
    await store.pool.execute(
        "insert into allowed_handles (shard, tenant, handle, account_address, block_hash, event_type,"
        " transaction_id) values (0, $1, $2, '', $3, 1, '')",
        *(TENANT, A, digest("gone")),
    )
    (row,) = await rows(store, "select * from acl_entries")
    assert (row["is_public"], row["block_number"], row["block_status"]) == (True, None, "unknown")
    assert row["holds"] is False
