"""Life cycles as enums, each with one transition function; an illegal change raises.

Terminal states are ordered, done > failed > cancelled, and a later result may only raise an item. That
order makes the outcome independent of how facts and results of a tenant were interleaved: an item that
was cancelled with its branch while its result was under way ends as done either way.
"""

from enum import StrEnum
from typing import Final

from streams.domain.errors import IllegalTransition


class WorkState(StrEnum):
    """Life of a work item."""

    BLOCKED = "blocked"  # waits for inputs, a key or a verdict
    READY = "ready"  # may be claimed when credit is free and `not_before` has passed
    CLAIMED = "claimed"  # credit taken; its message is about to be published
    DISPATCHED = "dispatched"  # the broker has its message
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"  # nothing canonical wants it any more


class ProofState(StrEnum):
    """Life of a request to verify an encrypted input."""

    REQUESTED = "requested"
    HELD = "held"  # for a chain that is not configured
    VERIFIED = "verified"
    REJECTED = "rejected"
    ORPHANED = "orphaned"  # the gateway's block is gone


_B, _R, _C, _D = WorkState.BLOCKED, WorkState.READY, WorkState.CLAIMED, WorkState.DISPATCHED
_DONE, _FAILED, _CANCELLED = WorkState.DONE, WorkState.FAILED, WorkState.CANCELLED

WORK_TRANSITIONS: Final[dict[WorkState, frozenset[WorkState]]] = {
    _B: frozenset({_R, _DONE, _FAILED, _CANCELLED}),
    _R: frozenset({_C, _DONE, _FAILED, _CANCELLED}),
    # Not to `cancelled`: from here on a worker may have it (`items.retry` goes by way of `ready`).
    _C: frozenset({_D, _R, _DONE, _FAILED}),
    _D: frozenset({_R, _DONE, _FAILED}),
    _CANCELLED: frozenset({_B, _R, _DONE, _FAILED}),  # its branch came back, or its result came late
    _FAILED: frozenset({_DONE}),  # another attempt had succeeded
    _DONE: frozenset(),
}

PROOF_TRANSITIONS: Final[dict[ProofState, frozenset[ProofState]]] = {
    ProofState.REQUESTED: frozenset({ProofState.VERIFIED, ProofState.REJECTED, ProofState.ORPHANED}),
    ProofState.HELD: frozenset({ProofState.ORPHANED}),
    ProofState.VERIFIED: frozenset({ProofState.ORPHANED}),
    ProofState.REJECTED: frozenset({ProofState.VERIFIED, ProofState.ORPHANED}),
    ProofState.ORPHANED: frozenset({ProofState.REQUESTED}),
}

OPEN: Final = frozenset({_B, _R, _C, _D})
UNCLAIMED: Final = frozenset({_B, _R})
IN_FLIGHT: Final = frozenset({_C, _D})
ENDED: Final = frozenset({_DONE, _FAILED})  # by a result, whether or not anything wants it
TERMINAL: Final = ENDED | {_CANCELLED}


def work_transition(old: WorkState, new: WorkState) -> WorkState:
    """The new state; raises IllegalTransition when the life cycle does not have that step."""
    if new not in WORK_TRANSITIONS[old]:
        raise IllegalTransition(f"a work item cannot go from {old} to {new}")
    return new


def proof_transition(old: ProofState, new: ProofState) -> ProofState:
    """The new state; raises IllegalTransition when the life cycle does not have that step."""
    if new not in PROOF_TRANSITIONS[old]:
        raise IllegalTransition(f"a proof request cannot go from {old} to {new}")
    return new
