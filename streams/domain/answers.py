"""The gateway's last word on a request, held against our verdict.

What enough operators accepted is valid on the host chain, whatever we found: its handles are used, and who
uses them would wait here for ever. So where our verdict is another, the request is verified once more, as an
item of its own, and its values are stored if they are those that the gateway named. Our vote stays as it is:
the gateway takes one of each operator.

What we accepted and enough operators rejected is only told. Its values stay: no item takes them unless the
host chain names their handles, and its contract takes handles only with the signatures of enough operators.

The standing of a request follows from its row and its items alone, and so does the alarm. The item is made by
the gateway's word and waits for our verdict; where they agree it is cancelled. So the order never shows.
"""

from typing import Final

import msgspec

from streams.domain import items, requests
from streams.domain.events import RejectProofResponse, VerifyProofResponse
from streams.domain.lifecycle import ProofState, WorkState
from streams.domain.rows import AlarmKind, AlarmRow, ProofRow, Standing, WorkRow
from streams.domain.state import State
from streams.domain.work import WorkClass

DISPUTED: Final = AlarmKind.PROOF_DISPUTED  # the subject is the request's number

_UNANSWERABLE: Final = frozenset({ProofState.HELD, ProofState.ORPHANED})


def observe(
    state: State,
    tenant: str,
    event: VerifyProofResponse | RejectProofResponse,
    range_end: int,
    event_id: str,
) -> None:
    """Enough operators gave the same answer; that of a request that is not this tenant's changes nothing."""
    known = state.get(ProofRow, tenant, event.zk_proof_id)
    if known is None or known.state in _UNANSWERABLE:
        return
    handles = event.handles if isinstance(event, VerifyProofResponse) else ()
    proof = msgspec.structs.replace(
        withdraw(state, known),
        accepted=isinstance(event, VerifyProofResponse),
        agreed=handles,
        answer_end=range_end,
    )
    state.put(proof)
    _make_replay(state, proof, event_id)
    review(state, proof)


def take_back(state: State, tenant: str, range_end: int) -> None:
    """Forget what a range told that is on no branch any more."""
    for proof in state.find(ProofRow, ("tenant", "answer_end"), tenant, range_end):
        withdraw(state, proof)


def withdraw(state: State, proof: ProofRow) -> ProofRow:
    """The request without the gateway's answer."""
    if proof.accepted is None:
        return proof
    items.cancel(state, proof.tenant, requests.replay_item(proof))
    if proof.standing is Standing.DISPUTED:
        state.delete(_alarm(proof))
    open_ = msgspec.structs.replace(proof, accepted=None, agreed=(), answer_end=-1, standing=Standing.OPEN)
    state.put(open_)
    return open_


def replayed(state: State, tenant: str, item: str, handles: tuple[bytes, ...]) -> None:
    """The values that were agreed on were found after all, and some or all of them are stored."""
    if all(items.is_stored(state, tenant, handle) for handle in handles):
        items.finish(state, tenant, item)
        replay_changed(state, tenant, item)


def replay_failed(state: State, tenant: str, item: str, cause: str) -> None:
    """Verified again, we still find something else than was agreed on: the alarm stays."""
    items.fail(state, tenant, item, cause)
    replay_changed(state, tenant, item)


def replay_changed(state: State, tenant: str, item: str) -> None:
    """An item is over: if it verified a request again, that one stands differently now."""
    row = state.get(WorkRow, tenant, item)
    proof = None if row is None or row.kind != items.PROOF_REPLAY else requests.request_of(state, row)
    if proof is not None:
        review(state, proof)


def is_wanted(state: State, row: WorkRow) -> bool:
    """Whether a request should still be verified again."""
    proof = requests.request_of(state, row)
    return proof is not None and requests.replay_item(proof) == row.id and _wants_replay(proof)


def review(state: State, proof: ProofRow) -> None:
    """Store how our verdict and the gateway's answer stand to each other, and what follows from it."""
    if proof.accepted is None:
        return
    replay = state.get(WorkRow, proof.tenant, requests.replay_item(proof)) if proof.accepted else None
    reviewed = msgspec.structs.replace(proof, standing=_standing(proof, replay))
    state.put(reviewed)
    if _wants_replay(reviewed):
        items.revive(state, proof.tenant, requests.replay_item(proof))
    elif proof.accepted:
        items.cancel(state, proof.tenant, requests.replay_item(proof))
    if reviewed.standing is Standing.DISPUTED:
        state.put(_alarm(reviewed, _difference(reviewed, replay)))
    elif proof.standing is Standing.DISPUTED:
        state.delete(_alarm(proof))


def _make_replay(state: State, proof: ProofRow, event_id: str) -> None:
    item = requests.replay_item(proof)
    # one that another branch had made already is revived by the review
    if not proof.accepted or state.get(WorkRow, proof.tenant, item) is not None:
        return
    row = requests.work_of(proof, item, WorkClass.ZKPROOF, items.PROOF_REPLAY, requests.VERIFY_MS, event_id)
    first = () if proof.verified is not None else (items.verdict(requests.proof_item(proof)),)
    items.create(state, row, (items.KEY_TOKEN, items.CRS_TOKEN, *first))


def _standing(proof: ProofRow, replay: WorkRow | None) -> Standing:
    if proof.verified is None:
        return Standing.OPEN
    if proof.verified == proof.accepted and (not proof.accepted or proof.handles == proof.agreed):
        return Standing.AGREED
    is_done = replay is not None and replay.state is WorkState.DONE
    return Standing.REPLAYED if is_done else Standing.DISPUTED


def _wants_replay(proof: ProofRow) -> bool:
    return bool(proof.accepted) and proof.standing in (Standing.OPEN, Standing.DISPUTED)


def _difference(proof: ProofRow, replay: WorkRow | None) -> str:
    request = f"input request {proof.zk_proof_id}: the gateway"
    if not proof.accepted:
        return f"{request} rejected what we accepted"
    ours = "found other handles" if proof.verified else f"rejected it ({proof.last_error})"
    outcome = "it is verified again"
    if replay is not None and replay.state is WorkState.FAILED:
        outcome = f"verified again: {replay.cause}"
    return f"{request} accepted it, we {ours}; {outcome}"


def _alarm(proof: ProofRow, detail: str = "") -> AlarmRow:
    subject = proof.zk_proof_id.to_bytes(32, "big")
    return AlarmRow(tenant=proof.tenant, kind=DISPUTED, subject=subject, detail=detail)
