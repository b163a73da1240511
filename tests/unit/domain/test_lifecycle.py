"""Life cycles: legal steps only, and an order of terminal states that no interleaving can break."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streams.domain.errors import IllegalTransition
from streams.domain.lifecycle import (
    IN_FLIGHT,
    OPEN,
    PROOF_TRANSITIONS,
    TERMINAL,
    UNCLAIMED,
    WORK_TRANSITIONS,
    ProofState,
    WorkState,
    proof_transition,
    work_transition,
)


def test_every_state_has_a_row_in_its_table():
    assert set(WORK_TRANSITIONS) == set(WorkState)
    assert set(PROOF_TRANSITIONS) == set(ProofState)


def test_states_are_open_or_terminal():
    assert set(WorkState) == OPEN | TERMINAL
    assert not OPEN & TERMINAL
    assert UNCLAIMED | IN_FLIGHT == OPEN


@pytest.mark.parametrize("new", WorkState)
def test_nothing_follows_done(new: WorkState):
    with pytest.raises(IllegalTransition):
        work_transition(WorkState.DONE, new)


def test_in_flight_work_is_never_cancelled():
    assert all(WorkState.CANCELLED not in WORK_TRANSITIONS[state] for state in IN_FLIGHT)


def test_a_result_may_close_an_item_in_every_open_state():
    for old, new in itertools.product(OPEN, (WorkState.DONE, WorkState.FAILED)):
        assert work_transition(old, new) is new


def test_late_success_beats_failure_and_cancellation():
    assert work_transition(WorkState.FAILED, WorkState.DONE) is WorkState.DONE
    assert work_transition(WorkState.CANCELLED, WorkState.DONE) is WorkState.DONE
    assert work_transition(WorkState.CANCELLED, WorkState.FAILED) is WorkState.FAILED


@given(st.sampled_from(list(ProofState)), st.sampled_from(list(ProofState)))
def test_proof_transition_raises_exactly_outside_its_table(old: ProofState, new: ProofState):
    if new in PROOF_TRANSITIONS[old]:
        assert proof_transition(old, new) is new
        return
    with pytest.raises(IllegalTransition, match="cannot go from"):
        proof_transition(old, new)


class WorkItemLife(RuleBasedStateMachine):
    """Random requests to change: the state is always one that the table allows from the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.state = WorkState.BLOCKED
        self.history = [self.state]

    @rule(new=st.sampled_from(list(WorkState)))
    def ask(self, new: WorkState) -> None:
        try:
            self.state = work_transition(self.state, new)
        except IllegalTransition:
            return
        self.history.append(self.state)

    @invariant()
    def every_step_is_legal(self) -> None:
        assert all(new in WORK_TRANSITIONS[old] for old, new in itertools.pairwise(self.history))

    @invariant()
    def done_is_the_end(self) -> None:
        assert WorkState.DONE not in self.history[:-1]


TestWorkItemLife = WorkItemLife.TestCase
