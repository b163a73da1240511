"""Commits of several operators: what agrees, what does not, who is late; ours or theirs first."""

import random

import msgspec
import pytest

from streams.domain import drift
from streams.domain.decide import Rules, decide_fact, decide_result
from streams.domain.digest import keccak256
from streams.domain.facts import Fact, GatewayLog
from streams.domain.results import Squashed
from streams.domain.rows import AlarmRow, ConsensusRow, DivergenceRow, DriftRow, DriftState, MaterialRow
from streams.domain.state import State
from tests.unit.domain import worlds
from tests.unit.domain.worlds import (
    KEY,
    TENANT,
    Logs,
    block,
    commit_log,
    consensus_log,
    ct64,
    digest,
    gateway,
    h,
    operators_log,
    settle,
    settled,
)

OURS, SECOND, THIRD = worlds.SENDER, b"\x06" * 20, b"\x07" * 20
SUM = h("sum")
GOOD = (keccak256(ct64(SUM)), digest("ct128" + SUM.hex()))
BAD = (b"\x01" * 32, b"\x02" * 32)
RULES = Rules(sender_address=OURS, limits=drift.Limits(no_consensus_s=60, grace_s=30))
HOST: list[Fact] = [
    KEY,
    block("b0", 0, "none", anchor=True),
    block("b1", 1, "b0", Logs().trivial(SUM, 1).allow(SUM)),
]
SQUASHED = Squashed(
    item="", attempt=0, worker="w", handle=SUM, key_id=KEY.key_id, ct64_digest=GOOD[0], ct128_digest=GOOD[1],
    format=11, signer=b"", attestation=b"",
)  # fmt: skip


class Gateway:
    """A state that hears of one block after the other, each ten seconds after the one before."""

    def __init__(self, *, with_ours: bool) -> None:
        self.state = State(complete=True)
        self.number, self.at_s = 0, 1_000
        self.tell(*HOST)
        if with_ours:
            settle(self.state)
        self.block(operators_log(OURS, SECOND, THIRD, number=1))

    def tell(self, *facts: Fact) -> None:
        for fact in facts:
            decide_fact(self.state, TENANT, fact, RULES)

    def block(self, *logs: GatewayLog, seconds: int = 10) -> None:
        """The next block, with these events."""
        self.at_s += seconds
        self.tell(gateway(self.number, self.number + 1, *logs, at_s=self.at_s))
        self.number += 1

    def commit(self, said: tuple[bytes, bytes], *senders: bytes) -> None:
        """A block with a commit of each sender."""
        self.block(*(commit_log(SUM, *said, self.number + 1, sender=sender) for sender in senders))

    def agree(self, said: tuple[bytes, bytes]) -> None:
        """A block with the consensus."""
        self.block(consensus_log(SUM, *said, self.number + 1))

    def compute(self) -> None:
        """Our own digests come."""
        decide_result(self.state, TENANT, SQUASHED, 0)

    @property
    def drift(self) -> DriftRow:
        (row,) = self.state.rows(DriftRow)
        return row

    def alarms(self) -> dict[str, str]:
        return {row.kind: row.detail for row in self.state.rows(AlarmRow) if row.subject == SUM}


@pytest.fixture(params=[True, False], ids=["ours-first", "theirs-first"])
def is_ours_first(request: pytest.FixtureRequest) -> bool:
    return request.param


def test_everybody_agrees(is_ours_first: bool):
    world = Gateway(with_ours=is_ours_first)
    world.commit(GOOD, SECOND)
    assert world.drift.state is DriftState.OPEN
    world.commit(GOOD, OURS)
    world.agree(GOOD)
    assert world.drift.state is DriftState.AGREED
    world.commit(GOOD, THIRD)
    world.compute()
    assert world.drift.state is DriftState.COMPLETE
    assert (world.drift.opened_block, world.drift.agreed_block, world.drift.completed_block) == (2, 4, 5)
    world.block(seconds=10_000)
    assert world.drift.state is DriftState.COMPLETE
    assert world.alarms() == {}


def test_another_operator_that_commits_something_else_is_named(is_ours_first: bool):
    world = Gateway(with_ours=is_ours_first)
    world.commit(BAD, THIRD)
    world.commit(GOOD, OURS)
    world.compute()
    assert world.drift.state is DriftState.DISPUTED
    assert world.drift.differing == (THIRD,)
    assert world.alarms() == {"drift_operators": f"other digests were committed by 0x{THIRD.hex()}"}


def test_what_was_agreed_on_against_us_is_drift(is_ours_first: bool):
    world = Gateway(with_ours=is_ours_first)
    world.commit(BAD, SECOND, THIRD)
    world.agree(BAD)
    world.compute()
    assert world.drift.state is DriftState.DRIFTED
    assert world.drift.differing == ()
    assert world.alarms() == {"drift": "the gateway agreed on another ct64, ct128 than ours"}


def test_our_own_commit_against_the_agreed_one_is_ours_to_look_at():
    world = Gateway(with_ours=True)
    world.commit(BAD, OURS)
    assert [row.kind for row in world.state.rows(DivergenceRow)] == ["commit"]
    world.commit(GOOD, SECOND, THIRD)
    world.agree(GOOD)
    assert (world.drift.state, world.drift.differing) == (DriftState.DISPUTED, (OURS,))


def test_a_differing_key_id_is_named():
    world = Gateway(with_ours=True)
    other = msgspec.structs.replace(SQUASHED, key_id=b"\x09" * 32)
    state = State(complete=True)
    for fact in HOST:
        decide_fact(state, TENANT, fact, RULES)
    decide_result(state, TENANT, other, 0)
    world.state = state
    world.number = 0
    world.commit(GOOD, SECOND, THIRD)
    world.agree(GOOD)
    assert world.alarms() == {"drift": "the gateway agreed on another key id than ours"}


def test_a_commit_under_another_key_id_differs():
    world = Gateway(with_ours=True)
    world.block(commit_log(SUM, *GOOD, world.number + 1, sender=THIRD, key_id=b"\x09" * 32))
    assert (world.drift.state, world.drift.differing) == (DriftState.DISPUTED, (THIRD,))


def test_operators_that_differ_over_a_handle_that_we_do_not_know_are_all_named():
    world = Gateway(with_ours=False)
    world.commit(BAD, SECOND)
    assert world.drift.state is DriftState.OPEN
    world.commit(GOOD, THIRD)
    assert (world.drift.state, world.drift.differing) == (DriftState.DISPUTED, (SECOND, THIRD))


def test_a_handle_that_we_never_compute_is_missed_after_the_grace_period():
    world = Gateway(with_ours=False)
    world.commit(GOOD, SECOND, THIRD)
    world.agree(GOOD)
    world.block(seconds=29)
    assert world.drift.state is DriftState.AGREED
    world.block(seconds=10)
    assert (world.drift.state, world.drift.missing) == (DriftState.INCOMPLETE, (OURS,))
    assert world.alarms() == {
        "drift_missing": f"no commit in time since the consensus in block 3 by 0x{OURS.hex()}"
    }


def test_a_slow_operator_ends_the_alarm_with_its_commit():
    world = Gateway(with_ours=True)
    world.commit(GOOD, OURS, SECOND)
    world.agree(GOOD)
    world.block(seconds=3_600)  # long without a block: no tick of the clock is skipped
    assert world.drift.missing == (THIRD,)
    world.commit(GOOD, THIRD)
    assert (world.drift.state, world.drift.missing) == (DriftState.COMPLETE, ())
    assert world.alarms() == {}


def test_no_consensus_in_time_is_an_alarm_until_there_is_one():
    world = Gateway(with_ours=True)
    world.commit(GOOD, OURS)
    world.block(seconds=50)
    assert world.drift.state is DriftState.OPEN
    world.block(seconds=20)
    assert world.drift.state is DriftState.OVERDUE
    assert world.alarms() == {"drift_no_consensus": "no consensus in time since block 2"}
    world.agree(GOOD)
    assert (world.drift.state, world.alarms()) == (DriftState.AGREED, {})


def test_where_nobody_told_the_operators_those_that_were_seen_are_expected():
    state = State(complete=True)
    for fact in [*HOST, gateway(0, 1, at_s=100)]:
        decide_fact(state, TENANT, fact, RULES)
    other = h("other")
    logs = [
        commit_log(other, *GOOD, 2, sender=THIRD),
        commit_log(SUM, *GOOD, 2),
        consensus_log(SUM, *GOOD, 2),
    ]
    for fact in (gateway(1, 2, *logs, at_s=110), gateway(2, 3, at_s=200)):
        decide_fact(state, TENANT, fact, RULES)
    found = state.get(DriftRow, TENANT, SUM)
    assert found is not None
    assert found.missing == (THIRD,)


def test_an_operator_that_was_removed_is_not_waited_for():
    world = Gateway(with_ours=True)
    world.block(operators_log(OURS, SECOND, number=world.number + 1))
    world.commit(GOOD, OURS, SECOND)
    world.agree(GOOD)
    assert world.drift.state is DriftState.COMPLETE


@pytest.mark.parametrize("is_late", [False, True])
def test_who_is_removed_after_the_agreement_is_missed_no_more(is_late: bool):
    world = Gateway(with_ours=True)
    world.commit(GOOD, OURS, SECOND)
    world.agree(GOOD)
    if is_late:
        world.block(seconds=70)
        assert world.alarms().keys() == {"drift_missing"}
    world.block(operators_log(OURS, SECOND, number=world.number + 1))
    assert (world.drift.state, world.drift.missing, world.alarms()) == (DriftState.COMPLETE, (), {})
    world.block(seconds=70)
    assert world.drift.state is DriftState.COMPLETE


def test_who_is_new_is_not_called_late_for_handles_from_before():
    world = Gateway(with_ours=True)
    world.commit(GOOD, OURS, SECOND)
    world.agree(GOOD)
    world.block(seconds=70)
    fourth = b"\x44" * 20
    world.block(operators_log(OURS, SECOND, fourth, number=world.number + 1))
    assert (world.drift.state, world.alarms()) == (DriftState.AGREED, {})


def test_commits_on_a_branch_that_is_gone_are_forgotten_with_their_alarms():
    world = Gateway(with_ours=True)
    world.commit(BAD, SECOND, THIRD)
    world.agree(BAD)
    assert world.drift.state is DriftState.DRIFTED
    world.tell(gateway(1, 3, branch="x", from_branch="g", at_s=world.at_s))
    for table in (DriftRow, MaterialRow, ConsensusRow):
        assert world.state.rows(table) == []
    assert world.alarms() == {}


def test_a_consensus_that_is_taken_back_is_waited_for_again():
    world = Gateway(with_ours=True)
    world.commit(GOOD, OURS, SECOND, THIRD)
    world.agree(GOOD)
    assert world.drift.state is DriftState.COMPLETE
    world.tell(gateway(2, 3, branch="x", from_branch="g", at_s=world.at_s))
    assert (world.drift.state, world.drift.completed_block) == (DriftState.OPEN, -1)
    world.tell(gateway(3, 4, branch="x", at_s=world.at_s + 70))
    assert world.drift.state is DriftState.OVERDUE


def test_a_gateway_without_a_clock_makes_nobody_late():
    state = State(complete=True)
    for fact in [*HOST, gateway(0, 1, commit_log(SUM, *GOOD, sender=SECOND)), gateway(1, 2), gateway(2, 3)]:
        decide_fact(state, TENANT, fact, RULES)
    (row,) = state.rows(DriftRow)
    assert (row.state, row.due) == (DriftState.OPEN, -1)


@pytest.mark.parametrize("seed", range(8))
def test_a_range_told_again_and_a_replay_find_the_same(seed: int):
    rng = random.Random(seed)
    logs = [
        commit_log(SUM, *rng.choice((GOOD, BAD)), number, sender=sender)
        for number, sender in enumerate((OURS, SECOND, THIRD), start=1)
    ]
    told: list[Fact] = [*HOST, gateway(0, 3, *logs, at_s=100), gateway(3, 4, at_s=rng.choice((110, 900)))]
    first = State(complete=True)
    for fact in [*told, *told[3:]]:
        decide_fact(first, TENANT, fact, RULES)
    results = settle(first)
    again = State(complete=True)
    for result in results:
        decide_result(again, TENANT, result, 0)
    for fact in told:
        decide_fact(again, TENANT, fact, RULES)
    assert settled(first) == settled(again)
