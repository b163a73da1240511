"""Delegations and the bridge: every event is kept with its block, shown, and computed with by nobody."""

import random

import pytest

from streams.domain import items
from streams.domain.facts import Log
from streams.domain.hearsay import UNSUPPORTED
from streams.domain.rows import AlarmRow, BlockRow, BlockStatus, BridgeRow, DelegationRow, WorkRow
from streams.domain.state import State
from tests.unit.domain import worlds
from tests.unit.domain.recorded import arguments, records, tables
from tests.unit.domain.worlds import KEY, TENANT, Logs, block, digest, h, interleave, run, settled

TABLES = {table["event"]: table for table in tables() if "MultichainACL" not in table["contract"]}
ANCHOR = block("b0", 0, "none", anchor=True)


def emitted(*names: str) -> tuple[list[Log], list[dict[str, object]]]:
    """The compiler's logs of these events with their arguments, in that order."""
    (recording,) = records("head_events.json")
    found = [next(log for log in recording["logs"] if log["event"] == name) for name in names]
    logs = [
        Log(
            address=b"\x01" * 20,
            topics=tuple(bytes.fromhex(topic[2:]) for topic in log["topics"]),
            data=bytes.fromhex(log["data"][2:]),
            transaction_hash=digest(f"tx{at}"),
            log_index=at,
        )
        for at, log in enumerate(found)
    ]
    return logs, [arguments(TABLES[log["event"]], log["args"]) for log in found]


def with_logs(name: str, number: int, parent: str, logs: list[Log]) -> worlds.HostBlock:
    held = Logs()
    held.logs += logs
    return block(name, number, parent, held)


def test_a_delegation_and_its_end_are_kept_as_the_events_say_them() -> None:
    logs, (given, revoked) = emitted("DelegatedForUserDecryption", "RevokedDelegationForUserDecryption")
    state = run([ANCHOR, with_logs("b1", 1, "b0", logs)])
    first, second = state.rows(DelegationRow)
    assert (first.delegator, first.delegate) == (given["delegator"], given["delegate"])
    assert (first.contract_address, first.transaction_id) == (given["contractAddress"], digest("tx0"))
    assert first.delegation_counter == given["delegationCounter"]
    assert first.new_expiration_date == given["newExpirationDate"]
    assert first.new_expiration_date >= 2**63  # as wide as the contract's number
    assert (second.old_expiration_date, second.new_expiration_date) == (revoked["oldExpirationDate"], 0)
    assert not state.rows(AlarmRow)


@pytest.mark.parametrize(
    ("event", "kind", "is_here"),
    [
        ("BridgeHandle", "bridge_handle", False),
        ("HandleBridged", "handle_bridged", True),
        ("FallbackGrantedPlaintext", "fallback_granted", True),
    ],
)
def test_what_the_bridge_says_is_kept_and_told_as_unsupported(event: str, kind: str, is_here: bool) -> None:
    logs, (said,) = emitted(event)
    state = run([ANCHOR, with_logs("b1", 1, "b0", logs)])
    (row,) = state.rows(BridgeRow)
    assert row.kind == kind
    assert (row.src_handle, row.dst_handle) == (said.get("srcHandle", b""), said.get("dstHandle", b""))
    assert (row.dst_chain_id, row.guid) == (said.get("dstChainId", 0), said.get("guid", b""))
    assert row.dapp == said.get("senderDapp", said.get("receiverDapp", b""))
    assert int.from_bytes(row.plaintext, "big") == said.get("plaintext", 0)
    alarms = [(alarm.kind, alarm.subject) for alarm in state.rows(AlarmRow)]
    assert alarms == ([(UNSUPPORTED, row.dst_handle)] if is_here else [])
    assert not state.rows(WorkRow)


def test_an_operation_on_a_bridged_handle_waits_for_it() -> None:
    logs, (said,) = emitted("HandleBridged")
    bridged = said["dstHandle"]
    assert isinstance(bridged, bytes)
    handle = bridged[:30] + b"\x05\x00"
    result = h("sum")
    later = Logs().add(handle, 1, result, "tx2").allow(result, "tx2")
    state = run([KEY, ANCHOR, with_logs("b1", 1, "b0", logs), block("b2", 2, "b1", later)])
    item = next(row for row in state.rows(WorkRow) if row.kind == items.COMPUTE)
    assert (item.missing, item.cause) == (1, "")


def test_a_branch_that_goes_leaves_its_events_behind_with_its_block() -> None:
    logs, _ = emitted("DelegatedForUserDecryption")
    left, kept = with_logs("b1", 1, "b0", logs), [block("c1", 1, "b0"), block("c2", 2, "c1")]
    state = run([ANCHOR, left, *kept])
    (row,) = state.rows(DelegationRow)
    known = state.get(BlockRow, TENANT, row.block_hash)
    assert known is not None
    assert known.status is BlockStatus.SIDE


def test_the_same_facts_again_change_nothing() -> None:
    logs, _ = emitted("DelegatedForUserDecryption", "HandleBridged", "RevokedDelegationForUserDecryption")
    facts = [ANCHOR, with_logs("b1", 1, "b0", logs)]
    once, again = run(facts), run([*facts, *facts], State(complete=True))
    assert settled(once) == settled(again)
    assert settled(interleave(facts, [], random.Random(1))) == settled(once)
