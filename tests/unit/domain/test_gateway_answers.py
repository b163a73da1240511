"""The gateway's answer to an input request, held against our verdict: alarm, second verification, values."""

import itertools
import random
from collections.abc import Sequence

import msgspec
import pytest
from unit.domain.worlds import (
    CRS,
    KEY,
    TENANT,
    Logs,
    accepted_log,
    answer,
    block,
    ct64,
    gateway,
    h,
    interleave,
    ready,
    rejected_log,
    request_log,
    run,
    settle,
    settled,
)

from streams.domain import answers, items
from streams.domain.decide import decide_result
from streams.domain.facts import Fact, GatewayLog
from streams.domain.lifecycle import ProofState, WorkState
from streams.domain.results import Ciphertext, Failed, Proven
from streams.domain.rows import AlarmRow, CiphertextRow, ProofRow, Standing, WorkRow
from streams.domain.state import State
from streams.domain.work import ProofWork, RejectResponse, SendWork, WorkClass
from streams.messages import assembly

INPUT = h("input2")
KEYS: list[Fact] = [KEY, CRS]
ASKED: list[Fact] = [*KEYS, gateway(0, 1, request_log(2, b"badly seen"))]
ACCEPTED = gateway(1, 2, accepted_log(2, [INPUT], 2))
REJECTED = gateway(1, 2, rejected_log(2, 2))


def asked(body: bytes) -> list[Fact]:
    return [*KEYS, gateway(0, 1, request_log(2, body))]


def proof(state: State) -> ProofRow:
    (found,) = state.rows(ProofRow)
    return found


def alarms(state: State) -> list[str]:
    return [row.detail for row in state.rows(AlarmRow) if row.kind == answers.DISPUTED]


def item(state: State, kind: str) -> WorkRow:
    (found,) = (row for row in state.rows(WorkRow) if row.kind == kind)
    return found


def replays(state: State) -> list[WorkState]:
    return [row.state for row in state.rows(WorkRow) if row.kind == items.PROOF_REPLAY]


def disputed(body: bytes = b"badly seen", logs: Sequence[GatewayLog] = ()) -> State:
    """We rejected it and voted so; the gateway accepted it."""
    state = run(asked(body))
    settle(state)
    return run([gateway(1, 2, *(logs or [accepted_log(2, [INPUT], 2)]))], state)


def proven(row: WorkRow, **fields: object) -> Proven:
    base = Proven(item=row.id, attempt=row.attempt, worker="w", verified=True, key_id=row.key_id)
    value = Ciphertext(handle=INPUT, fhe_type=5, ct64=ct64(INPUT))
    good = msgspec.structs.replace(base, handles=(INPUT,), ciphertexts=(value,), agreed=(INPUT,))
    return msgspec.structs.replace(good, **fields)


def test_what_the_gateway_accepts_against_us_is_an_alarm_and_is_verified_again() -> None:
    state = disputed()
    assert alarms(state) == [
        "input request 2: the gateway accepted it, we rejected it (InvalidInput: no); it is verified again"
    ]
    assert [row.kind for row in ready(state)] == [items.PROOF_REPLAY]
    message = assembly.proof(item(state, items.PROOF_REPLAY), proof(state))
    assert isinstance(message, ProofWork)
    assert (message.agreed, message.ciphertext_with_proof) == ((INPUT,), b"badly seen")


def test_its_values_are_stored_when_they_are_those_that_the_gateway_named() -> None:
    state = disputed()
    logs = Logs().add(INPUT, 1, h("sum")).allow(h("sum"))
    run([block("0", 0, "-1", anchor=True), block("1", 1, "0", logs)], state)
    settle(state)
    assert proof(state).standing is Standing.REPLAYED
    assert alarms(state) == []
    assert {row.handle for row in state.rows(CiphertextRow)} == {INPUT, h("sum")}  # who waited went on


def test_nobody_votes_twice() -> None:
    state = disputed()
    before = [row for row in state.rows(WorkRow) if row.work_class == WorkClass.SENDER]
    settle(state)
    assert [row for row in state.rows(WorkRow) if row.work_class == WorkClass.SENDER] == before
    assert (proof(state).state, proof(state).verified) == (ProofState.REJECTED, False)
    message = assembly.response(item(state, items.PROOF_RESPONSE), proof(state))
    assert isinstance(message, SendWork)
    assert isinstance(message.call, RejectResponse)


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"verified": False, "handles": (), "reason": "still no"}, "InvalidInput: still no"),
        (
            {"handles": (h("other"),)},
            "InvalidInput: its handles are not those that the gateway accepted",
        ),
        ({"handles": ()}, "InvalidInput: its handles are not those that the gateway accepted"),
    ],
)
def test_the_alarm_stays_when_it_is_found_bad_again(fields: dict[str, object], cause: str) -> None:
    state = disputed()
    decide_result(state, TENANT, proven(item(state, items.PROOF_REPLAY), **fields), 0)
    assert item(state, items.PROOF_REPLAY).state is WorkState.FAILED
    assert state.rows(CiphertextRow) == []
    (detail,) = alarms(state)
    assert detail.endswith(f"; verified again: {cause}")
    assert item(state, items.DEAD_LETTER).subject == item(state, items.PROOF_REPLAY).id.encode()


def test_a_result_in_parts_is_whole_when_all_values_are_stored() -> None:
    handles = (INPUT, h("input3"))
    state = disputed(logs=[accepted_log(2, handles, 2)])
    row = item(state, items.PROOF_REPLAY)
    parts = [Ciphertext(handle=handle, fhe_type=5, ct64=ct64(handle)) for handle in handles]
    for part, after in zip(parts, (Standing.DISPUTED, Standing.REPLAYED), strict=True):
        decide_result(state, TENANT, proven(row, handles=handles, agreed=handles, ciphertexts=(part,)), 0)
        assert proof(state).standing is after


def test_a_worker_that_does_not_know_what_was_agreed_on_is_not_believed() -> None:
    state = disputed()
    decide_result(state, TENANT, proven(item(state, items.PROOF_REPLAY), agreed=None), 0)
    assert (replays(state), state.rows(CiphertextRow)) == ([WorkState.READY], [])
    assert proof(state).verified is False


def test_an_attempt_that_fails_for_good_is_told_by_the_alarm() -> None:
    state = disputed()
    row = item(state, items.PROOF_REPLAY)
    base = {"item": row.id, "attempt": 0, "worker": "w"}
    failed = Failed(**base, category="irrecoverable", error="Undecodable", message="what")
    decide_result(state, TENANT, failed, 0)
    assert alarms(state)[0].endswith("verified again: Undecodable: what")


@pytest.mark.parametrize("is_wanted", [True, False])
def test_an_attempt_that_failed_for_now_is_repeated_while_the_answer_stands(is_wanted: bool) -> None:
    state = disputed()
    claimed = msgspec.structs.replace(item(state, items.PROOF_REPLAY), state=WorkState.CLAIMED)
    state.put(claimed)
    if not is_wanted:
        run([gateway(1, 2, branch="x", from_branch="g")], state)
        assert assembly.proof(claimed, proof(state)) is None
    base = {"item": claimed.id, "attempt": 0, "worker": "w"}
    decide_result(state, TENANT, Failed(**base, category="recoverable", error="Late", message=""), 0)
    assert replays(state) == [WorkState.READY if is_wanted else WorkState.CANCELLED]


def test_where_we_agree_nothing_is_verified_again() -> None:
    good = run([*KEYS, gateway(0, 1, request_log(1))])
    settle(good)
    run([gateway(1, 2, accepted_log(1, [h("input1")], 2))], good)
    bad = run(asked(b"bad"))
    settle(bad)
    run([REJECTED], bad)
    for state, left in ((good, [WorkState.CANCELLED]), (bad, [])):
        assert proof(state).standing is Standing.AGREED
        assert (alarms(state), ready(state), replays(state)) == ([], [], left)


def test_the_answer_may_come_before_our_verdict() -> None:
    state = run([*asked(b"bad"), ACCEPTED])
    assert (proof(state).standing, alarms(state)) == (Standing.OPEN, [])
    assert [row.kind for row in ready(state)] == [items.PROOF]
    settle(state)
    assert proof(state).standing is Standing.DISPUTED
    assert alarms(state)[0].endswith("verified again: InvalidInput: still no")


def test_what_we_accepted_and_the_gateway_rejected_is_told_and_feeds_nothing() -> None:
    state = run([*KEYS, gateway(0, 1, request_log(1))])
    settle(state)
    before = state.rows(WorkRow)
    run([gateway(1, 2, rejected_log(1, 2))], state)
    assert alarms(state) == ["input request 1: the gateway rejected what we accepted"]
    assert state.rows(WorkRow) == before
    assert {row.kind for row in before} == {items.PROOF, items.PROOF_RESPONSE}


def test_other_handles_than_ours_are_a_dispute_too() -> None:
    state = run([*KEYS, gateway(0, 1, request_log(1)), gateway(1, 2, accepted_log(1, [h("other")], 2))])
    settle(state)
    (detail,) = alarms(state)
    assert "we found other handles; verified again: InvalidInput: its handles are not" in detail


def test_a_gateway_that_takes_its_word_back_takes_the_alarm_and_the_item_along() -> None:
    state = disputed()
    run([gateway(1, 2, branch="x", from_branch="g")], state)
    assert (alarms(state), replays(state)) == ([], [WorkState.CANCELLED])
    assert proof(state).standing is Standing.OPEN
    run([gateway(2, 3, accepted_log(2, [INPUT], 3, branch="x"), branch="x")], state)
    assert (len(alarms(state)), replays(state)) == (1, [WorkState.READY])
    run([gateway(2, 3, rejected_log(2, 3, branch="y"), branch="y", from_branch="x")], state)
    assert (alarms(state), replays(state)) == ([], [WorkState.CANCELLED])
    assert proof(state).standing is Standing.AGREED


def test_a_request_that_is_gone_takes_its_answer_along_and_finds_what_was_found_again() -> None:
    state = disputed()
    settle(state)
    run([gateway(0, 2, branch="x", from_branch="g")], state)
    assert (proof(state).state, proof(state).accepted) == (ProofState.ORPHANED, None)
    again = [request_log(2, b"badly seen", 3, "x"), accepted_log(2, [INPUT], 3, branch="x")]
    run([gateway(2, 3, *again, branch="x")], state)
    assert (proof(state).standing, replays(state)) == (Standing.REPLAYED, [WorkState.DONE])


def test_a_vote_waits_for_its_verdict_also_where_the_request_was_here_before_another() -> None:
    state = run(asked(b"list"))
    settle(state)
    for body, branch in ((b"another", "x"), (b"list", "y")):
        run([gateway(0, 1, request_log(2, body, 1, branch), branch=branch, from_branch="g")], state)
        assert proof(state).verified is None
        assert {row.kind for row in ready(state)} == {items.PROOF}
    settle(state)
    assert proof(state).state is ProofState.VERIFIED
    assert not ready(state)


def test_other_handles_on_another_branch_are_another_verification() -> None:
    state = disputed()
    settle(state)
    other = accepted_log(2, [h("other")], 2, branch="x")
    run([gateway(1, 2, other, branch="x", from_branch="g")], state)
    assert sorted(replays(state)) == [WorkState.DONE, WorkState.READY]
    settle(state)
    assert (proof(state).standing, len(alarms(state))) == (Standing.DISPUTED, 1)


def test_answers_to_what_is_not_ours_change_nothing() -> None:
    state = run([*KEYS, gateway(0, 1, accepted_log(7, [INPUT]), rejected_log(8))])
    assert (state.rows(ProofRow), state.rows(WorkRow), state.rows(AlarmRow)) == ([], [], [])


@pytest.mark.parametrize("body", [b"bad", b"badly seen", b"list"])
@pytest.mark.parametrize("last", [ACCEPTED, REJECTED, gateway(1, 2, accepted_log(2, [h("other")], 2))])
def test_the_order_of_facts_and_results_never_shows(body: bytes, last: Fact) -> None:
    """Every way to take turns, also with the answer taken back and given again."""
    back = gateway(1, 2, branch="x", from_branch="g")
    facts = [*asked(body), last, back, gateway(2, 3, accepted_log(2, [INPUT], 3, branch="x"), branch="x")]
    live = run(facts[:4])
    results = settle(live)
    run(facts[4:], live)
    results += settle(live)
    tables = [settled(interleave(facts, results, random.Random(order))) for order in range(40)]
    assert all(one == other for one, other in itertools.pairwise([settled(live), *tables]))


def test_an_honest_worker_answers_what_is_asked_of_it() -> None:
    state = disputed()
    (result,) = answer(state, item(state, items.PROOF_REPLAY))
    assert isinstance(result, Proven)
    assert result.agreed == (INPUT,)
