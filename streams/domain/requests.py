"""Requests to verify an encrypted input: which one an item is about, where numbers may be given anew."""

import hashlib
from typing import Final

from streams.domain.events import VerifyProofRequest
from streams.domain.lifecycle import WorkState
from streams.domain.rows import ProofRow, WorkRow
from streams.domain.state import State
from streams.domain.work import WorkClass, item_id

PROOF_MS: Final = 400  # verification of a list on one core
PROOF_VALUE_MS: Final = 450  # re-randomise, expand and compress one value
_VALUES_ESTIMATE: Final = 4  # of a list whose length is not known before it is opened
VERIFY_MS: Final = PROOF_MS + PROOF_VALUE_MS * _VALUES_ESTIMATE


def proof_item(proof: ProofRow) -> str:
    """Id of the item that verifies this request; another request under the same number has another."""
    return item_id(WorkClass.ZKPROOF, proof.tenant, subject_of(proof))


def response_item(proof: ProofRow) -> str:
    """Id of the item that answers this request on the gateway."""
    return item_id(WorkClass.SENDER, proof.tenant, subject_of(proof))


def replay_item(proof: ProofRow) -> str:
    """Id of the item that verifies this request again for the handles that the gateway accepted.

    Empty where it accepted none.
    """
    if not proof.accepted:
        return ""
    # With the handles: an outcome of theirs says nothing of others, which another branch may agree on.
    agreed = hashlib.sha256(b"".join(proof.agreed)).digest()
    return item_id(WorkClass.ZKPROOF, proof.tenant, subject_of(proof) + agreed)


def request_of(state: State, row: WorkRow) -> ProofRow | None:
    """The request that an item verifies or answers; None when another request has taken its number."""
    proof = state.get(ProofRow, row.tenant, int.from_bytes(row.subject[:32], "big"))
    return proof if proof is not None and is_about(row, proof) else None


def is_about(row: WorkRow, proof: ProofRow) -> bool:
    """Whether the item is this request's, and not that of another one which had its number before."""
    return row.subject == subject_of(proof)


def subject_of(proof: ProofRow) -> bytes:
    """What the items of a request are about: its number (32 bytes) and the digest of what was asked."""
    asked = proof.contract_address, proof.user_address, proof.extra_data, proof.input
    return _subject(proof.zk_proof_id, asked)


def item_that_answers(tenant: str, request: VerifyProofRequest) -> str:
    """Id of the item that answers the request of this event, as `response_item` gives it."""
    asked = request.contract, request.user, request.extra_data, request.ciphertext
    return item_id(WorkClass.SENDER, tenant, _subject(request.zk_proof_id, asked))


def _subject(zk_proof_id: int, asked: tuple[bytes, ...]) -> bytes:
    request = hashlib.sha256()
    # Numbers are given anew after a reorganisation of the gateway: with the digest of what was asked, an
    # answer to the old request can never be taken for one to the new.
    for field in asked:
        request.update(len(field).to_bytes(8, "big") + field)
    return zk_proof_id.to_bytes(32, "big") + request.digest()


def work_of(
    proof: ProofRow, item: str, work_class: WorkClass, kind: str, cost_ms: int, event_id: str
) -> WorkRow:
    """An item about a request, for the dApp that its input is for."""
    return WorkRow(
        tenant=proof.tenant,
        id=item,
        work_class=work_class,
        kind=kind,
        subject=subject_of(proof),
        affinity=subject_of(proof)[:32],
        contract=proof.contract_address,
        cost_ms=cost_ms,
        state=WorkState.READY,
        event_id=event_id,
    )
