"""What results do to the state: store, wake, retry, fail."""

import hashlib

import msgspec

from streams.domain import answers, drift, gateway, items, planning, requests, rights
from streams.domain.digest import keccak256
from streams.domain.errors import InvalidInput, Irrecoverable
from streams.domain.lifecycle import IN_FLIGHT, ProofState, WorkState
from streams.domain.results import Ciphertext, Computed, Failed, Proven, Sent, Squashed, Started
from streams.domain.rows import (
    CiphertextRow,
    DigestRow,
    DivergenceRow,
    EarlyRow,
    HandleRow,
    WorkRow,
)
from streams.domain.state import State
from streams.domain.work import WorkClass, timeout_ms

_GRACE_MS = 30_000  # beyond the worker's own timeout before the item is given to another


def apply_started(state: State, tenant: str, result: Started, at_ms: int) -> None:
    """A worker has it in hand: from here its own timeout runs."""
    row = state.get(WorkRow, tenant, result.item)
    # a word about an earlier attempt must not lengthen this one's deadline
    if row is None or row.state not in IN_FLIGHT or row.attempt != result.attempt:
        return
    # The worker's own limit may be longer than ours: it scales to a slow machine and says so.
    deadline = at_ms + max(timeout_ms(row.cost_ms), result.timeout_ms) + _GRACE_MS
    state.put(msgspec.structs.replace(row, worker=result.worker, deadline_ms=deadline))


def apply_computed(state: State, tenant: str, result: Computed) -> None:
    """Store the outputs; the item is done when it has them all."""
    for ciphertext in result.ciphertexts:
        store(state, tenant, ciphertext, result.key_id, is_input=False)
    row = state.get(WorkRow, tenant, result.item)
    # By what is stored and not by counting records: a result in parts, or told twice, ends the same way.
    if row is not None and items.outputs_stored(state, tenant, row.id):
        items.finish(state, tenant, row.id)


def apply_proven(state: State, tenant: str, result: Proven) -> None:
    """Store the values of a verified input; the request is settled when they are all there."""
    if result.agreed is not None:
        _apply_replayed(state, tenant, result, result.agreed)
        return
    row = state.get(WorkRow, tenant, result.item)
    # of a worker that knows no replays: it said nothing of what was agreed on, and is asked again when late
    if row is not None and row.kind == items.PROOF_REPLAY:
        return
    for ciphertext in result.ciphertexts:
        store(state, tenant, ciphertext, result.key_id, is_input=True)
    if row is not None:
        gateway.apply_verdict(state, row, result.verified, result.handles, result.reason)
        return
    # No fact has made the request yet: the other log is ahead of this one.
    early = state.get(EarlyRow, tenant, result.item) or EarlyRow(tenant=tenant, item=result.item)
    if early.verified is None:
        verdict = {"verified": result.verified, "handles": result.handles, "reason": result.reason}
        state.put(msgspec.structs.replace(early, **verdict))


def _apply_replayed(state: State, tenant: str, result: Proven, agreed: tuple[bytes, ...]) -> None:
    # By the result alone, not by what the gateway says by now: it may be applied before any fact.
    if not result.verified or result.handles != agreed:
        reason = result.reason or "its handles are not those that the gateway accepted"
        answers.replay_failed(state, tenant, result.item, f"{InvalidInput.__name__}: {reason}")
        return
    for ciphertext in result.ciphertexts:
        store(state, tenant, ciphertext, result.key_id, is_input=True)
    answers.replayed(state, tenant, result.item, result.handles)


def apply_squashed(state: State, tenant: str, result: Squashed) -> None:
    """Both objects are in the store: the commit may go."""
    known = state.get(DigestRow, tenant, result.handle)
    if known is not None:
        if known.ciphertext128 != result.ct128_digest:
            _diverge(state, tenant, "ct128", result.handle, result.ct128_digest)
        items.finish(state, tenant, result.item)
        return
    handle = planning.handle_row(state, tenant, result.handle)
    # The worker squashed bytes that we do not have: committing them would be a vote against ourselves.
    if handle.ct64_digest and handle.ct64_digest != result.ct64_digest:
        _diverge(state, tenant, "ct64", result.handle, result.ct64_digest)
        items.fail(state, tenant, result.item, "Divergence: what was squashed is not what is stored")
        return
    state.put(msgspec.structs.replace(handle, ct128_digest=result.ct128_digest))
    state.put(
        DigestRow(
            tenant=tenant,
            handle=result.handle,
            key_id=result.key_id,
            ciphertext=result.ct64_digest,
            ciphertext128=result.ct128_digest,
            ciphertext128_format=result.format,
            signer=result.signer,
            attestation=result.attestation,
            txn_is_sent=_is_committed(state, tenant, result.handle),
        )
    )
    gateway.compare_commit(state, tenant, result.handle)
    drift.compare(state, tenant, result.handle)
    items.come(state, tenant, items.squashed(result.handle))
    if state.get(WorkRow, tenant, result.item) is not None:
        items.finish(state, tenant, result.item)


def _is_committed(state: State, tenant: str, handle: bytes) -> bool:
    """Whether the item that commits a handle is done already: the gateway's own event told it."""
    commit = state.get(WorkRow, tenant, planning.follower(WorkClass.SENDER, tenant, handle))
    return commit is not None and commit.state is WorkState.DONE


def apply_sent(state: State, tenant: str, result: Sent) -> None:
    """The call is on the gateway."""
    items.finish(state, tenant, result.item)


def apply_failed(state: State, tenant: str, result: Failed, at_ms: int) -> None:
    """Recoverable: the attempt is over, try later. Irrecoverable: the item fails."""
    if result.category == Irrecoverable.category:  # a category that nobody here knows is no verdict
        items.fail(state, tenant, result.item, f"{result.error}: {result.message}")
        answers.replay_changed(state, tenant, result.item)
        return
    row = state.get(WorkRow, tenant, result.item)
    if row is not None and row.state in IN_FLIGHT and row.attempt == result.attempt:
        items.retry(state, row, at_ms, _is_wanted(state, row))


def store(state: State, tenant: str, ciphertext: Ciphertext, key_id: bytes, *, is_input: bool) -> None:
    """Store a ciphertext once; other bytes under the same handle are a divergence, never an overwrite."""
    digest = keccak256(ciphertext.ct64)
    handle = planning.handle_row(state, tenant, ciphertext.handle)
    # Equal bytes are a repetition; other bytes are an alarm. Which of the two is right nobody here can
    # tell, and contracts may use the first already.
    if handle.ct64_digest:
        if handle.ct64_digest != digest:
            _diverge(state, tenant, "ct64", ciphertext.handle, digest)
        return
    state.put(msgspec.structs.replace(handle, ct64_digest=digest, key_id=key_id, is_input=is_input))
    state.put(
        CiphertextRow(
            tenant=tenant,
            handle=ciphertext.handle,
            fhe_type=ciphertext.fhe_type,
            key_id=key_id,
            ciphertext=ciphertext.ct64,
            is_input=is_input,
        )
    )
    items.come(state, tenant, items.stored(ciphertext.handle))


def _diverge(state: State, tenant: str, kind: str, handle: bytes, other: bytes) -> None:
    state.put(DivergenceRow(tenant=tenant, kind=kind, subject=handle, other=hashlib.sha256(other).digest()))


def _is_wanted(state: State, row: WorkRow) -> bool:
    if row.kind == items.COMPUTE:
        return planning.is_wanted(state, row.tenant, row.id)
    if row.kind in (items.PROOF, items.PROOF_RESPONSE):
        proof = requests.request_of(state, row)
        return proof is not None and proof.state is not ProofState.ORPHANED
    if row.kind == items.PROOF_REPLAY:
        return answers.is_wanted(state, row)
    if row.kind == items.ALLOW:
        return rights.is_wanted(state, row)
    handle = state.get(HandleRow, row.tenant, row.subject)
    return handle is not None and handle.reasons > 0
