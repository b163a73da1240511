"""On an old network each right of the canonical branch is repeated once on the gateway, no other is."""

import random

import msgspec
import pytest

from streams.domain import items
from streams.domain.decide import Rules, decide_fact, decide_result
from streams.domain.digest import event_topic
from streams.domain.facts import GatewayLog, Log
from streams.domain.lifecycle import WorkState
from streams.domain.results import Failed
from streams.domain.rows import WorkRow
from streams.domain.state import State
from streams.domain.work import AllowAccount, AllowPublicDecrypt
from streams.messages import assembly
from tests.unit.domain import worlds
from tests.unit.domain.test_law import make_world
from tests.unit.domain.worlds import (
    CALLER,
    SENDER,
    TENANT,
    Logs,
    block,
    digest,
    gateway,
    h,
    interleave,
    run,
    settled,
    walk,
)

ANCHOR = block("b0", 0, "none", anchor=True)
FRIEND, ONE = b"\x0b" * 20, h("one")


@pytest.fixture(autouse=True)
def old_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "RULES", Rules(sender_address=SENDER, repeats_rights=True))


def publicly(handle: bytes) -> Logs:
    """The event that lets anybody decrypt."""
    logs = Logs().trivial(handle, 1)
    data = (32).to_bytes(32, "big") + (1).to_bytes(32, "big") + handle
    topics = (event_topic("AllowedForDecryption(address,bytes32[])"), CALLER.rjust(32, b"\0"))
    logs.logs.append(
        Log(address=b"\x01" * 20, topics=topics, data=data, transaction_hash=digest("tx"), log_index=1)
    )
    return logs


def rights(state: State) -> dict[bytes, WorkState]:
    return {row.subject: row.state for row in state.rows(WorkRow) if row.kind == items.ALLOW}


def seen(event: str, handle: bytes, *words: bytes) -> GatewayLog:
    """Our own call as the gateway shows it."""
    data = b"".join(word.rjust(32, b"\0") for word in (*words, SENDER))
    data += (len(data) + 32).to_bytes(32, "big") + bytes(32)
    log = Log(
        address=b"\x02" * 20,
        topics=(event_topic(event), handle),
        data=data,
        transaction_hash=digest("allow"),
        log_index=0,
    )
    return GatewayLog(block_number=1, block_hash=digest("g1"), log=log)


def test_each_right_is_one_call_at_once_without_key_or_ciphertext() -> None:
    logs = Logs().trivial(ONE, 1).allow(ONE).allow(ONE, account=FRIEND).allow(ONE)
    state = run([ANCHOR, block("b1", 1, "b0", logs)])
    assert rights(state) == dict.fromkeys((ONE + CALLER, ONE + FRIEND), WorkState.READY)


def test_a_right_of_everybody_is_a_call_of_its_own() -> None:
    state = run([ANCHOR, block("b1", 1, "b0", publicly(ONE))])
    (row,) = (row for row in state.rows(WorkRow) if row.kind == items.ALLOW)
    assert assembly.right(row).call == AllowPublicDecrypt(handle=ONE)
    of_account = msgspec.structs.replace(row, subject=ONE + FRIEND)
    assert assembly.right(of_account).call == AllowAccount(handle=ONE, account=FRIEND)


def test_other_networks_repeat_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "RULES", Rules(sender_address=SENDER))
    assert rights(run([ANCHOR, block("b1", 1, "b0", Logs().trivial(ONE, 1).allow(ONE))])) == {}


def test_a_right_that_went_with_its_branch_is_not_sent_until_it_is_back() -> None:
    given = block("b1", 1, "b0", Logs().trivial(ONE, 1).allow(ONE))
    state = run([ANCHOR, given, block("c1", 1, "b0"), block("c2", 2, "c1")])
    assert rights(state) == {ONE + CALLER: WorkState.CANCELLED}
    run([block("b2", 2, "b1"), block("b3", 3, "b2")], state)
    assert rights(state) == {ONE + CALLER: WorkState.READY}


def test_a_right_that_another_block_gives_too_stays() -> None:
    first = block("b1", 1, "b0", Logs().trivial(ONE, 1).allow(ONE))
    again = block("b2", 2, "b1", Logs().allow(ONE, "tx2"))
    state = run([ANCHOR, first, again, block("c2", 2, "b1"), block("c3", 3, "c2")])
    assert rights(state) == {ONE + CALLER: WorkState.READY}


def test_a_failed_try_of_a_right_that_is_gone_is_not_repeated() -> None:
    given = block("b1", 1, "b0", Logs().trivial(ONE, 1).allow(ONE))
    state = run([ANCHOR, given])
    (row,) = (row for row in state.rows(WorkRow) if row.kind == items.ALLOW)
    state.put(msgspec.structs.replace(row, state=WorkState.DISPATCHED))
    run([block("c1", 1, "b0"), block("c2", 2, "c1")], state)
    failed = Failed(
        item=row.id, attempt=row.attempt, worker="w", category="recoverable", error="RpcError", message=""
    )
    decide_result(state, TENANT, failed, 0)
    assert rights(state) == {ONE + CALLER: WorkState.CANCELLED}


def test_our_call_on_the_gateway_closes_the_item() -> None:
    logs = publicly(ONE).allow(ONE, account=FRIEND)
    state = run([ANCHOR, block("b1", 1, "b0", logs)])
    account = seen("AllowAccount(bytes32,address,address,bytes)", ONE, FRIEND)
    decide_fact(state, TENANT, gateway(0, 1, account), worlds.RULES)
    assert rights(state) == {ONE + FRIEND: WorkState.DONE, ONE: WorkState.READY}
    public = seen("AllowPublicDecrypt(bytes32,address,bytes)", ONE)
    moved = msgspec.structs.replace(public, block_number=2)
    decide_fact(state, TENANT, gateway(1, 2, moved), worlds.RULES)
    assert rights(state) == {ONE + FRIEND: WorkState.DONE, ONE: WorkState.DONE}


@pytest.mark.parametrize("seed", range(12))
def test_the_law_of_interleavings_holds_for_rights(seed: int) -> None:
    facts = make_world(seed)
    results = walk(facts, random.Random(seed))
    first = interleave(facts, results, random.Random(seed))
    assert settled(first) == settled(interleave(facts, results, random.Random(seed + 1)))
