"""What facts and results change, one promise per test."""

import random

import msgspec
import pytest

from streams.domain import items
from streams.domain.chain import ADOPTED_MAX
from streams.domain.decide import Rules, decide_fact, decide_result
from streams.domain.digest import keccak256
from streams.domain.errors import FactTooLarge, Undecodable
from streams.domain.facts import FACT_PARTS_MAX, GATEWAY_TENANT, FactPart, decode_fact, encode_fact
from streams.domain.lifecycle import ProofState, WorkState
from streams.domain.results import Ciphertext, Computed, Failed, Squashed, Started
from streams.domain.rows import (
    AlarmRow,
    BlockRow,
    BlockStatus,
    ComputationRow,
    DigestRow,
    DivergenceRow,
    FactPartRow,
    HandleRow,
    MemberRow,
    ProofRow,
    TenantRow,
    WorkRow,
)
from streams.domain.state import State
from tests.unit.domain import worlds
from tests.unit.domain.worlds import (
    CRS,
    KEY,
    RULES,
    TENANT,
    Logs,
    answer,
    block,
    commit_log,
    ct64,
    digest,
    gateway,
    h,
    request_log,
    run,
    settle,
    settled,
)

ANCHOR = block("b0", 0, "none", anchor=True)
ONE, TWO, SUM, NEXT = h("one"), h("two"), h("sum"), h("next")


def _mint() -> Logs:
    """Two constants, of which nobody was allowed, and their sum, which somebody was."""
    return Logs().trivial(ONE, 1).trivial(TWO, 2).add(ONE, TWO, SUM).allow(SUM)


def _item(state: State, kind: str, subject: bytes) -> WorkRow:
    return next(row for row in state.rows(WorkRow) if row.kind == kind and row.subject == subject)


def _handle(state: State, handle: bytes) -> HandleRow:
    row = state.get(HandleRow, TENANT, handle)
    assert row is not None
    return row


def _tip(state: State) -> TenantRow:
    row = state.get(TenantRow, TENANT)
    assert row is not None
    return row


def _failed(item: WorkRow, category: str = "irrecoverable", attempt: int = 0) -> Failed:
    return Failed(
        item=item.id, attempt=attempt, worker="w", category=category, error="OperationError", message="no"
    )


def test_allowed_handle_becomes_one_item_with_the_operations_that_it_needs():
    state = run([KEY, ANCHOR, block("b1", 1, "b0", _mint().trivial(h("dead"), 9))])
    item = _item(state, items.COMPUTE, SUM)
    members = state.find(MemberRow, ("tenant", "item"), TENANT, item.id)
    assert [m.handle for m in sorted(members, key=lambda m: m.position)] == [ONE, TWO, SUM]
    assert [m.handle for m in members if m.is_output] == [SUM]
    assert item.state is WorkState.READY
    assert item.contract == worlds.CALLER


def test_item_is_followed_by_squash_commit_and_publication():
    state = run([KEY, ANCHOR, block("b1", 1, "b0", _mint())])
    settle(state)
    kinds = {row.kind: row.state for row in state.rows(WorkRow)}
    assert kinds == dict.fromkeys(
        (items.COMPUTE, items.SQUASH, items.ADD_MATERIAL, items.CIPHERTEXT), WorkState.DONE
    )
    assert _handle(state, SUM).ct64_digest == keccak256(ct64(SUM))
    assert _item(state, items.ADD_MATERIAL, SUM).key_id == KEY.key_id


def test_operations_without_a_key_wait_for_the_first_one():
    state = run([ANCHOR, block("b1", 1, "b0", _mint())])
    assert _item(state, items.COMPUTE, SUM).state is WorkState.BLOCKED
    decide_fact(state, TENANT, KEY, RULES)
    item = _item(state, items.COMPUTE, SUM)
    assert (item.state, item.key_id) == (WorkState.READY, KEY.key_id)


def test_operation_uses_the_key_that_is_active_at_its_fact():
    later = msgspec.structs.replace(KEY, key_id=b"\x09" * 32)
    logs = Logs().trivial(NEXT, 3).allow(NEXT)
    state = run([KEY, ANCHOR, block("b1", 1, "b0", _mint()), later, block("b2", 2, "b1", logs)])
    assert _item(state, items.COMPUTE, SUM).key_id == KEY.key_id
    assert _item(state, items.COMPUTE, NEXT).key_id == later.key_id


def test_repeated_activation_of_an_old_key_changes_nothing():
    later = msgspec.structs.replace(KEY, key_id=b"\x09" * 32)
    state = run([KEY, later, KEY])
    assert _tip(state).key_id == later.key_id


def test_missing_input_is_waiting_and_never_an_error():
    logs = Logs().add(h("elsewhere"), 5, SUM).allow(SUM)
    state = run([KEY, ANCHOR, block("b1", 1, "b0", logs)])
    item = _item(state, items.COMPUTE, SUM)
    assert (item.state, item.missing, item.cause) == (WorkState.BLOCKED, 1, "")


def test_dependents_across_blocks_wake_when_the_input_is_stored():
    logs = Logs().add(SUM, 5, NEXT, "tx2").allow(NEXT, "tx2")
    state = run([KEY, ANCHOR, block("b1", 1, "b0", _mint()), block("b2", 2, "b1", logs)])
    assert _item(state, items.COMPUTE, NEXT).state is WorkState.BLOCKED
    settle(state)
    assert _item(state, items.COMPUTE, NEXT).state is WorkState.DONE


def test_handle_allowed_later_than_computed_is_cut_again():
    state = run(
        [KEY, ANCHOR, block("b1", 1, "b0", Logs().trivial(ONE, 1).trivial(TWO, 2).add(ONE, TWO, SUM))]
    )
    assert not state.rows(WorkRow)
    decide_fact(state, TENANT, block("b2", 2, "b1", Logs().allow(SUM, "tx9")), RULES)
    assert len(state.find(MemberRow, ("tenant", "item"), TENANT, _item(state, items.COMPUTE, SUM).id)) == 3


def test_stored_handle_allowed_again_gets_nothing_twice():
    state = run([KEY, ANCHOR, block("b1", 1, "b0", _mint())])
    settle(state)
    before = len(state.rows(WorkRow))
    decide_fact(state, TENANT, block("b2", 2, "b1", Logs().allow(SUM, "tx2", b"\x01" * 20)), RULES)
    assert len(state.rows(WorkRow)) == before
    assert _handle(state, SUM).reasons == 2


def test_intermediate_allowed_in_the_same_transaction_is_an_output_of_the_same_item():
    state = run([KEY, ANCHOR, block("b1", 1, "b0", _mint().allow(ONE))])
    members = state.find(MemberRow, ("tenant", "item"), TENANT, _item(state, items.COMPUTE, ONE).id)
    assert {m.handle for m in members if m.is_output} == {ONE, SUM}


def test_unconnected_goals_of_a_transaction_are_different_items():
    logs = Logs().trivial(ONE, 1).allow(ONE).trivial(TWO, 2).allow(TWO)
    state = run([KEY, ANCHOR, block("b1", 1, "b0", logs)])
    assert len([row for row in state.rows(WorkRow) if row.kind == items.COMPUTE]) == 2


def test_cycle_fails_its_component_only():
    logs = Logs().add(NEXT, 1, SUM).add(SUM, 1, NEXT).allow(NEXT).trivial(ONE, 1).allow(ONE)
    state = run([KEY, ANCHOR, block("b1", 1, "b0", logs)])
    failed = next(row for row in state.rows(WorkRow) if row.state is WorkState.FAILED)
    assert "cycle" in failed.cause
    assert _item(state, items.COMPUTE, ONE).state is WorkState.READY


def test_wrong_operand_types_fail_the_component_with_a_typed_error():
    logs = Logs().trivial(ONE, 1).trivial(h("bool", 0), 1).add(ONE, h("bool", 0), SUM).allow(SUM)
    state = run([KEY, ANCHOR, block("b1", 1, "b0", logs)])
    item = _item(state, items.COMPUTE, SUM)
    assert item.state is WorkState.FAILED
    assert item.cause.startswith("OperationError: Add on different types")
    assert any(row.kind == items.DEAD_LETTER for row in state.rows(WorkRow))


def test_dependents_of_a_failed_component_are_blocked_with_the_cause():
    logs = Logs().add(SUM, 5, NEXT, "tx2").allow(NEXT, "tx2")
    state = run([KEY, ANCHOR, block("b1", 1, "b0", _mint()), block("b2", 2, "b1", logs)])
    decide_result(state, TENANT, _failed(_item(state, items.COMPUTE, SUM)), 0)
    for kind, handle in ((items.SQUASH, SUM), (items.COMPUTE, NEXT), (items.ADD_MATERIAL, NEXT)):
        item = _item(state, kind, handle)
        assert (item.state, item.cause) == (WorkState.BLOCKED, "OperationError: no")


def test_success_after_a_failure_clears_the_cause_downstream():
    logs = Logs().add(SUM, 5, NEXT, "tx2").allow(NEXT, "tx2")
    state = run([KEY, ANCHOR, block("b1", 1, "b0", _mint()), block("b2", 2, "b1", logs)])
    item = _item(state, items.COMPUTE, SUM)
    decide_result(state, TENANT, _failed(item), 0)
    for result in worlds.answer(state, item):
        decide_result(state, TENANT, result, 0)
    settle(state)
    assert {row.state for row in state.rows(WorkRow)} == {WorkState.DONE}


def test_recoverable_failure_comes_back_after_doubling_pauses():
    state = run([KEY, ANCHOR, block("b1", 1, "b0", _mint())])
    pauses = []
    for attempt in range(17):
        item = msgspec.structs.replace(_item(state, items.COMPUTE, SUM), state=WorkState.DISPATCHED)
        state.put(item)
        decide_result(state, TENANT, _failed(item, "recoverable", attempt), 1000)
        item = _item(state, items.COMPUTE, SUM)
        assert (item.state, item.attempt) == (WorkState.READY, attempt + 1)
        pauses.append((item.not_before_ms - 1000) // 1000)
    assert pauses == [min(2**n, 32_000) for n in range(17)]


def test_late_word_about_an_older_attempt_changes_nothing():
    state = run([KEY, ANCHOR, block("b1", 1, "b0", _mint())])
    item = msgspec.structs.replace(_item(state, items.COMPUTE, SUM), state=WorkState.DISPATCHED, attempt=3)
    state.put(item)
    decide_result(state, TENANT, _failed(item, "recoverable", 2), 0)
    decide_result(state, TENANT, Started(item=item.id, attempt=2, worker="old"), 0)
    assert _item(state, items.COMPUTE, SUM) == item


@pytest.mark.parametrize(("told_ms", "timeout_ms"), [(0, 60_000), (1_000, 60_000), (200_000, 200_000)])
def test_started_sets_the_deadline_to_the_workers_own_timeout(told_ms: int, timeout_ms: int):
    state = run([KEY, ANCHOR, block("b1", 1, "b0", _mint())])
    item = msgspec.structs.replace(_item(state, items.COMPUTE, SUM), state=WorkState.DISPATCHED)
    state.put(item)
    decide_result(state, TENANT, Started(item=item.id, attempt=0, worker="w1", timeout_ms=told_ms), 5_000)
    item = _item(state, items.COMPUTE, SUM)
    assert (item.worker, item.deadline_ms) == ("w1", 5_000 + timeout_ms + 30_000)


def test_highest_branch_is_canonical_and_the_first_seen_on_a_tie():
    state = run([ANCHOR, block("a1", 1, "b0"), block("x1", 1, "b0")])
    assert _tip(state).tip_hash == digest("a1")
    decide_fact(state, TENANT, block("x2", 2, "x1"), RULES)
    assert _tip(state).tip_hash == digest("x2")
    status = {row.hash: row.status for row in state.rows(BlockRow)}
    assert status[digest("a1")] is BlockStatus.SIDE
    assert status[digest("x1")] is BlockStatus.CANONICAL


def test_known_block_changes_nothing():
    facts = [KEY, ANCHOR, block("b1", 1, "b0", _mint())]
    state = run(facts)
    before = settled(state)
    run(facts, state)
    assert settled(state) == before


def test_branch_a_then_b_then_a_gives_reasons_back():
    state = run([KEY, ANCHOR, block("a1", 1, "b0", _mint())])
    run([block("x1", 1, "b0"), block("x2", 2, "x1")], state)
    assert _handle(state, SUM).reasons == 0
    assert {row.state for row in state.rows(WorkRow)} == {WorkState.CANCELLED}
    run([block("a2", 2, "a1"), block("a3", 3, "a2")], state)
    assert _handle(state, SUM).reasons == 1
    assert _item(state, items.COMPUTE, SUM).state is WorkState.READY
    settle(state)
    assert {row.state for row in state.rows(WorkRow)} == {WorkState.DONE}


def test_same_handle_in_both_branches_keeps_its_one_item():
    state = run([KEY, ANCHOR, block("a1", 1, "b0", _mint())])
    settle(state)
    run([block("x1", 1, "b0", _mint()), block("x2", 2, "x1")], state)
    assert _handle(state, SUM).reasons == 1
    assert len([row for row in state.rows(WorkRow) if row.kind == items.COMPUTE]) == 1


def test_claimed_work_of_a_dead_branch_goes_on():
    state = run([KEY, ANCHOR, block("a1", 1, "b0", _mint())])
    item = msgspec.structs.replace(_item(state, items.COMPUTE, SUM), state=WorkState.CLAIMED)
    state.put(item)
    run([block("x1", 1, "b0"), block("x2", 2, "x1")], state)
    assert _item(state, items.COMPUTE, SUM).state is WorkState.CLAIMED
    decide_result(state, TENANT, _failed(item, "recoverable"), 0)
    assert _item(state, items.COMPUTE, SUM).state is WorkState.CANCELLED


def test_dead_branch_makes_no_work():
    state = run([KEY, ANCHOR, block("a1", 1, "b0"), block("a2", 2, "a1"), block("x1", 1, "b0", _mint())])
    assert not state.rows(WorkRow)
    assert len(state.rows(ComputationRow)) == 3


def test_block_with_unknown_parent_waits_and_alarms_until_the_parent_comes():
    state = run([KEY, ANCHOR, block("b2", 2, "b1", _mint())])
    assert [row.kind for row in state.rows(AlarmRow)] == ["pending_parent"]
    assert not state.rows(WorkRow)
    decide_fact(state, TENANT, block("b1", 1, "b0"), RULES)
    assert _tip(state).tip_number == 2
    assert _item(state, items.COMPUTE, SUM).state is WorkState.READY
    assert not state.rows(AlarmRow)


def test_of_many_blocks_that_wait_some_are_connected_at_once_and_the_others_when_they_are_told_again():
    last = 3 * ADOPTED_MAX
    rest = [block(f"b{n}", n, f"b{n - 1}", _mint() if n == last else None) for n in range(2, last + 1)]
    missing = block("b1", 1, "b0")
    state = run([KEY, ANCHOR, *rest, missing])
    assert _tip(state).tip_number == 1 + ADOPTED_MAX
    again = run([missing, *rest], state)
    whole = run([KEY, ANCHOR, missing, *rest])
    assert _tip(again).tip_number == last
    assert again.rows(AlarmRow) == []
    assert {row.status for row in again.rows(BlockRow)} == {BlockStatus.CANONICAL}
    assert settled(again)["work_items"] == settled(whole)["work_items"]


def test_a_block_that_is_told_again_waits_on_for_a_parent_that_waits():
    waiting = [block("b2", 2, "b1"), block("b3", 3, "b2")]
    state = run([KEY, ANCHOR, *waiting, *waiting])
    assert len(state.rows(AlarmRow)) == 2
    assert _tip(state).tip_number == 0


def test_an_anchor_that_is_reorganised_is_retracted_like_any_other_block():
    state = run([KEY, block("a0", 0, "a-1", _mint(), anchor=True), block("a1", 1, "a0")])
    assert _item(state, items.COMPUTE, SUM).state is WorkState.READY
    run([block("x0", 0, "x-1", anchor=True)], state)
    assert _tip(state).tip_hash == block("a1", 1, "a0").hash
    run([block("x1", 1, "x0"), block("x2", 2, "x1")], state)
    assert _tip(state).tip_hash == block("x2", 2, "x1").hash
    assert {row.state for row in state.rows(WorkRow)} == {WorkState.CANCELLED}
    assert _handle(state, SUM).reasons == 0
    run([block("a2", 2, "a1"), block("a3", 3, "a2")], state)
    assert _item(state, items.COMPUTE, SUM).state is WorkState.READY
    assert not state.rows(AlarmRow)


def test_a_chain_begins_with_its_anchor_and_not_with_what_the_log_has_first():
    facts = [block("b2", 2, "b1"), block("b1", 1, "b0", _mint(), anchor=False), KEY, ANCHOR]
    state = run(facts[:3])
    assert {row.kind for row in state.rows(AlarmRow)} == {"pending_parent"}
    assert state.rows(WorkRow) == []
    run(facts[3:], state)
    assert _tip(state).tip_number == 2
    assert state.rows(AlarmRow) == []


def test_a_block_that_waits_becomes_the_anchor_when_it_is_told_as_such():
    state = run([KEY, block("b7", 7, "b6", _mint()), block("b8", 8, "b7")])
    assert _tip(state).tip_number == -1
    run([block("b7", 7, "b6", _mint(), anchor=True)], state)
    assert (_tip(state).anchor_number, _tip(state).tip_number) == (7, 8)
    assert state.rows(AlarmRow) == []
    run([block("b9", 9, "x8", anchor=True)], state)  # another listener with another start
    assert (_tip(state).anchor_number, _tip(state).tip_number) == (7, 8)


def test_an_anchor_of_another_number_waits_for_its_parent():
    state = run([KEY, block("a5", 5, "a4", anchor=True), block("x6", 6, "x5", anchor=True)])
    assert [row.kind for row in state.rows(AlarmRow)] == ["pending_parent"]
    run([block("x7", 7, "x6")], state)
    assert _tip(state).tip_number == 5


def test_block_whose_number_does_not_follow_its_parent_is_refused():
    with pytest.raises(Undecodable, match="cannot follow"):
        run([ANCHOR, block("b5", 5, "b0")])


def test_undecodable_log_alarms_and_spares_its_neighbours():
    good = _mint().done()
    bad = msgspec.structs.replace(good[0], data=b"\x01", log_index=99)
    fact = msgspec.structs.replace(block("b1", 1, "b0"), logs=(bad, *good))
    state = run([KEY, ANCHOR, fact])
    assert [row.kind for row in state.rows(AlarmRow)] == ["undecodable_log"]
    assert _item(state, items.COMPUTE, SUM).state is WorkState.READY


def test_same_handle_with_another_operation_is_an_alarm_and_never_an_overwrite():
    state = run([KEY, ANCHOR, block("b1", 1, "b0", _mint())])
    decide_fact(state, TENANT, block("b2", 2, "b1", Logs().trivial(SUM, 77).allow(SUM)), RULES)
    assert [row.kind for row in state.rows(DivergenceRow)] == ["operation"]
    members = state.find(MemberRow, ("tenant", "item"), TENANT, _item(state, items.COMPUTE, SUM).id)
    assert {m.fhe_operation for m in members if m.handle == SUM} == {0}


def test_second_result_with_other_bytes_is_a_divergence():
    state = run([KEY, ANCHOR, block("b1", 1, "b0", _mint())])
    settle(state)
    item = _item(state, items.COMPUTE, SUM)
    other = Ciphertext(handle=SUM, fhe_type=5, ct64=b"other")
    result = Computed(item=item.id, attempt=0, worker="w", key_id=KEY.key_id, ciphertexts=(other,))
    decide_result(state, TENANT, result, 0)
    assert [row.kind for row in state.rows(DivergenceRow)] == ["ct64"]
    assert _handle(state, SUM).ct64_digest == keccak256(ct64(SUM))


def test_squash_of_other_bytes_than_the_stored_ones_never_reaches_the_commit():
    state = run([KEY, ANCHOR, block("b1", 1, "b0", _mint())])
    for result in worlds.answer(state, _item(state, items.COMPUTE, SUM)):
        decide_result(state, TENANT, result, 0)
    (honest,) = worlds.answer(state, _item(state, items.SQUASH, SUM))
    assert isinstance(honest, Squashed)
    decide_result(state, TENANT, msgspec.structs.replace(honest, ct64_digest=b"\x01" * 32), 0)
    assert _item(state, items.ADD_MATERIAL, SUM).state is WorkState.BLOCKED
    assert [row.kind for row in state.rows(DivergenceRow)] == ["ct64"]


def _parts() -> list[FactPart]:
    big = Logs().trivial(ONE, 1).allow(ONE)
    padded = msgspec.structs.replace(big.done()[0], data=bytes(300_000), topics=(b"\x01" * 32,), log_index=50)
    fact = msgspec.structs.replace(block("b1", 1, "b0"), logs=(*big.done(), padded))
    parts = [decode_fact(record) for record in encode_fact(fact)]
    assert len(parts) > 1
    return [part for part in parts if isinstance(part, FactPart)]


def test_fact_in_parts_is_applied_when_all_parts_are_there():
    parts, state = _parts(), run([KEY, ANCHOR])
    run([parts[0], *parts[:-1]], state)
    assert _tip(state).tip_number == 0
    decide_fact(state, TENANT, parts[-1], RULES)
    assert _tip(state).tip_number == 1
    assert not state.rows(FactPartRow)


@pytest.mark.parametrize("seed", range(20))
def test_parts_that_two_listeners_tell_at_once_leave_nothing_behind(seed: int):
    rng, parts, state = random.Random(seed), _parts(), run([KEY, ANCHOR])
    tellers = [list(parts), list(parts)]
    while any(tellers):
        decide_fact(state, TENANT, rng.choice([told for told in tellers if told]).pop(0), RULES)
    assert _tip(state).tip_number == 1
    assert not state.rows(FactPartRow)


def test_parts_whose_first_one_was_lost_count_when_they_are_told_again():
    parts, state = _parts(), run([KEY, ANCHOR])
    run(parts[1:], state)
    assert not state.rows(FactPartRow)
    run(parts, state)
    assert _tip(state).tip_number == 1


def test_parts_that_do_not_add_up_are_refused():
    part = FactPart(sha256=bytes(32), index=0, count=1, body=b"{}")
    with pytest.raises(Undecodable, match="add up"):
        run([part])


def test_proof_request_is_verified_stored_and_answered():
    state = run([KEY, CRS, gateway(0, 1, request_log(7))])
    settle(state)
    proof = state.get(ProofRow, TENANT, 7)
    assert proof is not None
    assert (proof.state, proof.handles) == (ProofState.VERIFIED, (h("input7"),))
    assert _handle(state, h("input7")).is_input
    assert {row.kind: row.state for row in state.rows(WorkRow)} == {
        items.PROOF: WorkState.DONE,
        items.PROOF_RESPONSE: WorkState.DONE,
    }


def test_rejected_proof_is_answered_with_a_rejection():
    state = run([KEY, CRS, gateway(0, 1, request_log(7, b"bad"))])
    settle(state)
    proof = state.get(ProofRow, TENANT, 7)
    assert proof is not None
    assert (proof.state, proof.verified, proof.handles) == (ProofState.REJECTED, False, ())


def test_proof_request_waits_for_key_and_crs():
    state = run([gateway(0, 1, request_log(7))])
    proof = next(row for row in state.rows(WorkRow) if row.kind == items.PROOF)
    assert (proof.state, proof.missing) == (WorkState.BLOCKED, 2)


def test_request_for_an_unknown_chain_is_held():
    state = State(complete=True)
    decide_fact(state, GATEWAY_TENANT, gateway(0, 1, request_log(7)), RULES)
    assert [row.state for row in state.rows(ProofRow)] == [ProofState.HELD]
    assert not state.rows(WorkRow)


def test_overlapping_range_applies_only_what_lies_above_the_tip():
    first, second = request_log(1, number=2), request_log(2, number=5)
    state = run([KEY, CRS, gateway(0, 3, first), gateway(1, 6, first, second)])
    assert [row.range_end for row in state.rows(ProofRow)] == [3, 6]
    assert _tip(state).gateway_number == 6


def test_repeated_range_changes_nothing():
    state = run([KEY, CRS, gateway(0, 3, request_log(1))])
    before = settled(state)
    decide_fact(state, TENANT, gateway(0, 3, request_log(1)), RULES)
    assert settled(state) == before


def test_gateway_reorganisation_takes_back_what_came_after_the_common_block():
    state = run([KEY, CRS, gateway(0, 2), gateway(2, 4, request_log(1, number=4))])
    decide_fact(state, TENANT, gateway(2, 4, branch="x", from_branch="g"), RULES)
    proof = state.get(ProofRow, TENANT, 1)
    assert proof is not None
    assert proof.state is ProofState.ORPHANED
    assert {row.state for row in state.rows(WorkRow)} == {WorkState.CANCELLED}
    assert _tip(state).gateway_hash == digest("x4")


def test_gateway_reorganisation_below_the_beginning_is_taken_back_by_a_range_a_block_lower():
    state = run([KEY, CRS, gateway(3, 5, request_log(1, number=5))])
    lower, after = gateway(2, 3, branch="x"), gateway(3, 6, request_log(2, number=6), branch="x")
    run([lower, after, lower], state)
    assert {row.zk_proof_id: row.state for row in state.rows(ProofRow)} == {
        1: ProofState.ORPHANED,
        2: ProofState.REQUESTED,
    }
    assert _tip(state).gateway_number == 6
    assert not state.rows(AlarmRow)


def test_request_repeated_in_another_gateway_block_keeps_its_verdict():
    state = run([KEY, CRS, gateway(0, 2), gateway(2, 4, request_log(1, number=4))])
    settle(state)
    again = request_log(1, number=6, branch="x")
    run([gateway(2, 4, branch="x", from_branch="g"), gateway(4, 6, again, branch="x")], state)
    proof = state.get(ProofRow, TENANT, 1)
    assert proof is not None
    assert (proof.state, proof.block_number) == (ProofState.VERIFIED, 6)


@pytest.mark.parametrize("is_late", [False, True])
def test_an_item_whose_request_lost_its_number_ends_when_its_attempt_does(is_late: bool):
    state = run([KEY, CRS, gateway(0, 2), gateway(2, 4, request_log(1, b"first", number=4))])
    row = next(row for row in state.rows(WorkRow) if row.kind == items.PROOF)
    (verdict,) = answer(state, row)
    state.put(msgspec.structs.replace(row, state=WorkState.DISPATCHED))
    other = request_log(1, b"second", number=6, branch="x")
    run([gateway(2, 4, branch="x", from_branch="g"), gateway(4, 6, other, branch="x")], state)
    decide_result(state, TENANT, _failed(row, "recoverable", 0) if is_late else verdict, 0)
    ended = state.get(WorkRow, TENANT, row.id)
    assert ended is not None
    assert ended.state is (WorkState.CANCELLED if is_late else WorkState.DONE)
    settle(state)
    proof = state.get(ProofRow, TENANT, 1)
    assert proof is not None
    assert (proof.input, proof.state) == (b"second", ProofState.VERIFIED)
    assert all(row.state in (WorkState.DONE, WorkState.CANCELLED) for row in state.rows(WorkRow))


def test_range_that_starts_on_another_branch_is_ignored_with_an_alarm():
    state = run([gateway(0, 2)])
    decide_fact(state, TENANT, gateway(2, 4, branch="x"), RULES)
    assert _tip(state).gateway_number == 2
    assert [row.kind for row in state.rows(AlarmRow)] == ["gateway_range"]


def test_a_block_below_the_anchor_that_waits_takes_no_part_in_a_reorganisation_of_the_anchor():
    state = run([KEY, block("b6", 6, "b5", _mint()), block("b7", 7, "b6", anchor=True)])
    assert _tip(state).tip_number == 7
    run([block("x7", 7, "x6", anchor=True), block("x8", 8, "x7")], state)
    assert _tip(state).tip_number == 8
    waiting = state.get(BlockRow, TENANT, digest("b6"))
    assert waiting is not None
    assert waiting.status is BlockStatus.PENDING_PARENT


def test_the_gateway_begins_where_its_listener_does_and_not_with_what_the_log_has_first():
    late = msgspec.structs.replace(gateway(2, 4, request_log(1, number=4)), anchor=False)
    state = run([KEY, CRS, late])
    (alarm,) = state.rows(AlarmRow)
    assert "(2, 4] is not where the gateway begins" in alarm.detail
    assert state.rows(ProofRow) == []
    run([msgspec.structs.replace(gateway(0, 2), anchor=True), late], state)
    assert (_tip(state).gateway_number, state.rows(AlarmRow)) == (4, [])
    assert [row.zk_proof_id for row in state.rows(ProofRow)] == [1]


def test_a_range_of_a_listener_that_did_not_say_where_it_begins_counts_as_the_first():
    state = run([gateway(2, 4)])
    assert _tip(state).gateway_number == 4


@pytest.mark.parametrize("branch", ["g", "x"])
def test_an_alarm_over_ranges_ends_with_the_next_that_is_applied_on_whichever_branch(branch: str):
    state = run([gateway(0, 1), gateway(1, 2), gateway(2, 4, branch="x"), gateway(3, 5, branch="x")])
    (alarm,) = state.rows(AlarmRow)  # one, however many were refused
    assert "(3, 5] leaves a gap above 2" in alarm.detail
    run([gateway(1, 2)], state)  # known before: nothing is new of that
    assert state.rows(AlarmRow) == [alarm]
    run([gateway(2, 3)] if branch == "g" else [gateway(1, 2, branch="x", from_branch="g")], state)
    assert state.rows(AlarmRow) == []


def test_range_beyond_a_gap_alarms_and_waits_for_what_is_missing():
    state = run([KEY, CRS, gateway(0, 2), gateway(5, 7, request_log(1, number=6))])
    assert [row.kind for row in state.rows(AlarmRow)] == ["gateway_range"]
    assert not state.rows(ProofRow)
    run([gateway(2, 7, request_log(1, number=6))], state)
    assert [row.zk_proof_id for row in state.rows(ProofRow)] == [1]


def test_our_own_commit_on_the_gateway_closes_the_item():
    state = run([KEY, ANCHOR, block("b1", 1, "b0", _mint())])
    log = commit_log(SUM, keccak256(ct64(SUM)), digest("ct128" + SUM.hex()))
    decide_fact(state, TENANT, gateway(0, 1, log), RULES)
    assert _item(state, items.ADD_MATERIAL, SUM).state is WorkState.DONE


def _squash(state: State) -> None:
    (result,) = answer(state, _item(state, "squash", SUM))
    decide_result(state, TENANT, result, 0)


def _is_sent(state: State) -> bool:
    digests = state.get(DigestRow, TENANT, SUM)
    return digests is not None and digests.txn_is_sent


def _computed() -> State:
    state = run([ANCHOR, KEY, block("b1", 1, "b0", _mint())])
    for result in answer(state, _item(state, "compute", SUM)):
        decide_result(state, TENANT, result, 0)
    return state


def _commit(state: State) -> None:
    ct128 = digest("ct128" + SUM.hex())
    run([gateway(0, 1, commit_log(SUM, keccak256(ct64(SUM)), ct128))], state)


def test_digest_is_marked_when_its_commit_is_on_the_gateway():
    state = _computed()
    _squash(state)
    assert not _is_sent(state)
    _commit(state)
    assert _is_sent(state)


def test_digest_that_comes_after_its_commit_is_marked_from_the_start():
    state = _computed()
    _commit(state)
    _squash(state)
    assert _is_sent(state)


def test_digest_is_marked_by_the_senders_own_word_too():
    state = _computed()
    settle(state)
    assert _is_sent(state)


def test_somebody_elses_commit_closes_nothing():
    state = run([KEY, ANCHOR, block("b1", 1, "b0", _mint())])
    log = commit_log(SUM, b"\x01" * 32, b"\x02" * 32)
    decide_fact(state, TENANT, gateway(0, 1, log), Rules(sender_address=b"\x99" * 20))
    assert _item(state, items.ADD_MATERIAL, SUM).state is WorkState.BLOCKED


def test_commit_of_other_digests_than_ours_is_a_divergence():
    state = run([KEY, ANCHOR, block("b1", 1, "b0", _mint())])
    settle(state)
    decide_fact(state, TENANT, gateway(0, 1, commit_log(SUM, b"\x01" * 32, b"\x02" * 32)), RULES)
    assert [row.kind for row in state.rows(DivergenceRow)] == ["commit"]


def test_chain_of_ten_thousand_operations_is_one_item():
    logs, previous = Logs().trivial(ONE, 0), ONE
    for index in range(10_000):
        result = h(f"link{index}")
        logs.add(previous, 1, result)
        previous = result
    state = run([KEY, ANCHOR, block("b1", 1, "b0", logs.allow(previous))])
    item = _item(state, items.COMPUTE, previous)
    assert len(state.find(MemberRow, ("tenant", "item"), TENANT, item.id)) == 10_001


def test_fact_of_more_parts_than_allowed_is_neither_stored_nor_parked():
    part = FactPart(sha256=bytes(32), index=0, count=FACT_PARTS_MAX + 1, body=b"{}")
    state = State(complete=True)
    with pytest.raises(FactTooLarge):
        decide_fact(state, TENANT, part, RULES)
    assert not state.rows(FactPartRow)


def test_answer_to_a_request_that_the_gateway_forgot_is_revived_when_the_request_comes_back():
    state = run([KEY, CRS, gateway(0, 2), gateway(2, 4, request_log(1, number=4))])
    for result in worlds.answer(state, next(row for row in state.rows(WorkRow) if row.kind == items.PROOF)):
        decide_result(state, TENANT, result, 0)
    response = next(row for row in state.rows(WorkRow) if row.kind == items.PROOF_RESPONSE)
    state.put(msgspec.structs.replace(response, state=WorkState.DISPATCHED))
    decide_fact(state, TENANT, gateway(2, 4, branch="x", from_branch="g"), RULES)
    decide_result(state, TENANT, _failed(response, "recoverable"), 0)
    assert state.get(WorkRow, TENANT, response.id).state is WorkState.CANCELLED
    again = request_log(1, number=6, branch="x")
    decide_fact(state, TENANT, gateway(4, 6, again, branch="x"), RULES)
    assert state.get(WorkRow, TENANT, response.id).state is WorkState.READY


def test_proof_is_verified_with_the_reference_string_of_its_own_time():
    later = msgspec.structs.replace(CRS, crs_id=b"\x0a" * 32)
    waiting, early = gateway(0, 1, request_log(1)), gateway(1, 2, request_log(2, number=2))
    late = gateway(2, 3, request_log(3, number=3))
    state = run([waiting, CRS, early, later, late])
    found = {row.zk_proof_id: row.crs_id for row in state.rows(ProofRow)}
    assert found == {1: CRS.crs_id, 2: CRS.crs_id, 3: later.crs_id}


def test_squash_of_other_bytes_than_the_stored_ones_ends_its_item():
    state = run([KEY, ANCHOR, block("b1", 1, "b0", _mint())])
    for result in worlds.answer(state, _item(state, items.COMPUTE, SUM)):
        decide_result(state, TENANT, result, 0)
    (honest,) = worlds.answer(state, _item(state, items.SQUASH, SUM))
    decide_result(state, TENANT, msgspec.structs.replace(honest, ct64_digest=b"\x01" * 32), 0)
    squash = _item(state, items.SQUASH, SUM)
    assert squash.state is WorkState.FAILED
    assert squash.cause.startswith("Divergence")
    assert _item(state, items.ADD_MATERIAL, SUM).cause == squash.cause


def test_divergent_event_does_not_hide_the_honest_one():
    honest = block("b1", 1, "b0", Logs().trivial(ONE, 1, "zz"))
    other = block("b2", 2, "b1", Logs().trivial(ONE, 2, "aa"))
    state = run([KEY, ANCHOR, honest, other, block("b3", 3, "b2", Logs().allow(ONE, "tx3"))])
    members = state.find(MemberRow, ("tenant", "item"), TENANT, _item(state, items.COMPUTE, ONE).id)
    assert [int.from_bytes(m.dependencies[0], "big") for m in members] == [1]
