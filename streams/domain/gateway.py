"""What the gateway says to a tenant: requests to verify encrypted inputs, and our own answers seen there.

Ranges (from, to] are contiguous. An overlapping range counts only above the tip; a known number with
another hash is a reorganisation: what came after the range's start is taken back first.
"""

import hashlib

import msgspec

from streams.domain import answers, drift, items, requests
from streams.domain.errors import UndecodableLog
from streams.domain.events import (
    AccountAllowed,
    AddCiphertextMaterial,
    PublicDecryptAllowed,
    RejectProofResponse,
    VerifyProofRequest,
    VerifyProofResponse,
    VerifyProofResponseCall,
    decode_gateway_log,
)
from streams.domain.facts import GATEWAY_TENANT, GatewayLog, GatewayRange, gateway_event_id
from streams.domain.lifecycle import IN_FLIGHT, ProofState, proof_transition
from streams.domain.planning import COMMIT_MS, follower
from streams.domain.rights import allow_item
from streams.domain.rows import (
    AlarmKind,
    AlarmRow,
    CommitRow,
    DigestRow,
    DivergenceRow,
    EarlyRow,
    GatewayBlockRow,
    ProofRow,
    TenantRow,
    WaitRow,
    WorkRow,
)
from streams.domain.state import State
from streams.domain.work import WorkClass


def apply_range(
    state: State, tenant: str, fact: GatewayRange, sender_address: bytes, limits: drift.Limits
) -> None:
    """Apply what lies above the tip; after a reorganisation, what lies above the common block."""
    owner = state.get(TenantRow, tenant) or TenantRow(tenant=tenant)
    if owner.gateway_number < 0:
        # the log has lost its beginning: taken for it, this range would shut out what is told again
        if fact.anchor is False:
            _alarm(state, tenant, fact, "is not where the gateway begins; waiting for what comes before")
            return
        state.put(_end(tenant, fact.from_block, fact.from_hash, -1))
        owner = _with_tip(owner, fact.from_block, fact.from_hash)
    known_from = state.get(GatewayBlockRow, tenant, fact.from_block)
    # Told by a listener on a branch that we do not have. Nothing is taken back because of it: the range
    # that ends at a known number with another hash says what the common block is.
    if known_from is not None and known_from.hash != fact.from_hash:
        _alarm(state, tenant, fact, "starts on a branch that is not ours; waiting for its common block")
        return
    known_to = state.get(GatewayBlockRow, tenant, fact.to_block)
    if known_to is not None and known_to.hash != fact.to_hash:
        owner = _roll_back(state, owner, fact, limits)
    if fact.from_block > owner.gateway_number:
        # applied, it would hide the lost blocks: the listener tells them again, with what came after
        _alarm(state, tenant, fact, f"leaves a gap above {owner.gateway_number}; waiting for it")
        return
    # wholly known: another listener was first
    if fact.to_block <= owner.gateway_number:
        state.put(owner)
        return
    # never back: a listener that is behind must not make handles late, nor early
    before_s, now_s = owner.gateway_s, max(owner.gateway_s, fact.to_timestamp)
    owner = msgspec.structs.replace(owner, gateway_s=now_s)
    state.put(owner)
    for log in fact.logs:
        # of an overlapping range only what lies above the tip
        if log.block_number > owner.gateway_number:
            _apply_log(state, tenant, fact, log, sender_address, limits)
    # after the logs: a commit in this very range is not late
    drift.expire(state, tenant, before_s, now_s)
    state.put(_end(tenant, fact.to_block, fact.to_hash, owner.gateway_number))
    _end_alarm(state, tenant)
    # applying the logs may have changed the tenant's row: read it again
    owner = state.get(TenantRow, tenant) or owner
    state.put(_with_tip(owner, fact.to_block, fact.to_hash))


def apply_verdict(
    state: State, row: WorkRow, verified: bool, handles: tuple[bytes, ...], reason: str
) -> None:
    """The verdict over a proof item's request; the first one counts, another one is a divergence."""
    proof = requests.request_of(state, row)
    # Another request took its number after a reorganisation: the verdict is about nothing, and the item may
    # end.
    if proof is None:
        if row.state in IN_FLIGHT:
            items.finish(state, row.tenant, row.id)
        return
    # The first verdict was voted with, so that it cannot change; two workers that disagree are an alarm.
    if proof.verified is not None and (proof.verified, proof.handles) != (verified, handles):
        other = hashlib.sha256(bytes((verified,)) + b"".join(handles)).digest()
        subject = row.subject[:32]
        state.put(DivergenceRow(tenant=row.tenant, kind="proof", subject=subject, other=other))
        return
    proof = msgspec.structs.replace(proof, verified=verified, handles=handles, last_error=reason)
    state.put(proof)
    # Only with all its ciphertexts: once the vote is on the gateway, contracts use the handles.
    if all(items.is_stored(state, row.tenant, handle) for handle in handles):
        proof = _settle(state, proof)
    answers.review(state, proof)


def _end(tenant: str, number: int, block_hash: bytes, previous: int) -> GatewayBlockRow:
    return GatewayBlockRow(tenant=tenant, number=number, hash=block_hash, previous=previous)


def _with_tip(owner: TenantRow, number: int, block_hash: bytes) -> TenantRow:
    return msgspec.structs.replace(owner, gateway_number=number, gateway_hash=block_hash)


def _alarm(state: State, tenant: str, fact: GatewayRange, detail: str) -> None:
    text = f"gateway range ({fact.from_block}, {fact.to_block}] {detail}"
    state.put(AlarmRow(tenant=tenant, kind=AlarmKind.GATEWAY_RANGE, subject=b"", detail=text))


def _end_alarm(state: State, tenant: str) -> None:
    # One for all ranges of a tenant: what it says is that none can be applied. A listener on a branch of its
    # own beside others that go on is harmless.
    alarm = state.get(AlarmRow, tenant, AlarmKind.GATEWAY_RANGE, b"")
    if alarm is not None:
        state.delete(alarm)


def _roll_back(state: State, owner: TenantRow, fact: GatewayRange, limits: drift.Limits) -> TenantRow:
    """Take back every range that ends above the fact's start."""
    number = owner.gateway_number
    end = state.get(GatewayBlockRow, owner.tenant, number)
    # ends know the one before them, so that no range of the table has to be searched
    while end is not None and end.number > fact.from_block:
        # the answers first: a request has gone only when what was said of it is gone
        answers.take_back(state, owner.tenant, end.number)
        for proof in state.find(ProofRow, ("tenant", "range_end"), owner.tenant, end.number):
            _orphan(state, proof)
        drift.take_back(state, owner.tenant, end.number, limits)
        state.delete(end)
        end = state.get(GatewayBlockRow, owner.tenant, end.previous)
    # the reorganisation goes below the first range that we know: its start is the new anchor
    if end is None:
        end = _end(owner.tenant, fact.from_block, fact.from_hash, -1)
        state.put(end)
    owner = _with_tip(owner, end.number, end.hash)
    state.put(owner)
    return owner


def _orphan(state: State, proof: ProofRow) -> None:
    if proof.state is ProofState.ORPHANED:
        return
    state.put(msgspec.structs.replace(proof, state=proof_transition(proof.state, ProofState.ORPHANED)))
    # what a worker has in hand goes on; its verdict is kept, the request may come back
    items.cancel(state, proof.tenant, requests.proof_item(proof))
    items.cancel(state, proof.tenant, requests.response_item(proof))


def _apply_log(
    state: State,
    tenant: str,
    fact: GatewayRange,
    log: GatewayLog,
    sender_address: bytes,
    limits: drift.Limits,
) -> None:
    try:
        event = decode_gateway_log(log.log.topics, log.log.data)
    except UndecodableLog as error:
        subject = log.block_hash + log.log.log_index.to_bytes(4, "big")
        detail = str(error)
        state.put(AlarmRow(tenant=tenant, kind=AlarmKind.UNDECODABLE_LOG, subject=subject, detail=detail))
        return
    # our own commits too: operators are judged alike
    if isinstance(event, drift.Watched):
        place = drift.Place(block=log.block_number, range_end=fact.to_block)
        drift.observe(state, tenant, event, place, limits)
    match event:
        case VerifyProofRequest():
            _request(state, tenant, fact, log, event)
        # Our own address in an event closes the item, whatever became of the sender's process meanwhile.
        case AddCiphertextMaterial() if event.tx_sender == sender_address:
            _committed(state, tenant, event)
        case AccountAllowed() if event.tx_sender == sender_address:
            items.finish(state, tenant, allow_item(tenant, event.handle, event.account))
        case PublicDecryptAllowed() if event.tx_sender == sender_address:
            items.finish(state, tenant, allow_item(tenant, event.handle, b""))
        case VerifyProofResponseCall() if event.tx_sender == sender_address:
            _answered(state, tenant, event)
        case VerifyProofResponse() | RejectProofResponse():
            event_id = gateway_event_id(fact.chain_id, tenant, fact.from_block, fact.to_hash)
            answers.observe(state, tenant, event, fact.to_block, event_id)
        case _:
            pass


def _answered(state: State, tenant: str, event: VerifyProofResponseCall) -> None:
    proof = state.get(ProofRow, tenant, event.zk_proof_id)
    if proof is not None:
        items.finish(state, tenant, requests.response_item(proof))


def _committed(state: State, tenant: str, event: AddCiphertextMaterial) -> None:
    """Our own commit is on the gateway: that closes the item, whatever the sender knows."""
    items.finish(state, tenant, follower(WorkClass.SENDER, tenant, event.handle))
    _forget_commit(state, tenant, event.handle)
    state.put(
        CommitRow(
            tenant=tenant,
            handle=event.handle,
            key_id=event.key_id,
            ciphertext=event.ct64_digest,
            ciphertext128=event.ct128_digest,
        )
    )
    compare_commit(state, tenant, event.handle)


def _forget_commit(state: State, tenant: str, handle: bytes) -> None:
    # The newest commit counts, whether our digests came before the older one or after it.
    old = state.get(CommitRow, tenant, handle)
    if old is None:
        return
    divergence = state.get(DivergenceRow, tenant, "commit", handle, _digest_of(old))
    if divergence is not None:
        state.delete(divergence)


def _digest_of(committed: CommitRow) -> bytes:
    return hashlib.sha256(committed.ciphertext + committed.ciphertext128).digest()


def compare_commit(state: State, tenant: str, handle: bytes) -> None:
    """Keep a divergence when what we committed is not what we have."""
    own, committed = state.get(DigestRow, tenant, handle), state.get(CommitRow, tenant, handle)
    if own is None or committed is None:
        return
    if (own.ciphertext, own.ciphertext128) != (committed.ciphertext, committed.ciphertext128):
        other = _digest_of(committed)
        state.put(DivergenceRow(tenant=tenant, kind="commit", subject=handle, other=other))


def _request(
    state: State, tenant: str, fact: GatewayRange, log: GatewayLog, event: VerifyProofRequest
) -> None:
    old = state.get(ProofRow, tenant, event.zk_proof_id)
    proof = ProofRow(
        tenant=tenant,
        zk_proof_id=event.zk_proof_id,
        range_end=fact.to_block,
        block_number=log.block_number,
        transaction_id=log.log.transaction_hash,
        chain_id=event.contract_chain_id,
        contract_address=event.contract,
        user_address=event.user,
        input=event.ciphertext,
        extra_data=event.extra_data,
        crs_id=_active_crs(state, tenant),
        state=ProofState.HELD if tenant == GATEWAY_TENANT else ProofState.REQUESTED,
    )
    if old is not None:
        old = answers.withdraw(state, old)
    if old is not None and requests.subject_of(old) == requests.subject_of(proof):
        _request_again(state, old, proof)
        return
    state.put(proof)
    if proof.state is ProofState.REQUESTED:
        event_id = gateway_event_id(fact.chain_id, tenant, fact.from_block, fact.to_hash)
        _make_items(state, proof, event_id)


def _active_crs(state: State, tenant: str) -> bytes:
    owner = state.get(TenantRow, tenant)
    return b"" if owner is None else owner.crs_id


def give_crs(state: State, tenant: str, crs_id: bytes) -> None:
    """The first common reference string of a tenant: requests that waited for it use it."""
    for wait in state.find(WaitRow, ("tenant", "token"), tenant, items.CRS_TOKEN):
        row = state.get(WorkRow, tenant, wait.item)
        proof = None if row is None else requests.request_of(state, row)
        if proof is not None and not proof.crs_id:
            state.put(msgspec.structs.replace(proof, crs_id=crs_id))


def _request_again(state: State, old: ProofRow, proof: ProofRow) -> None:
    """The same request in another block: what was found out about it still counts."""
    again = msgspec.structs.replace(
        proof,
        crs_id=old.crs_id,
        verified=old.verified,
        handles=old.handles,
        last_error=old.last_error,
    )
    state.put(again)
    items.revive(state, proof.tenant, requests.proof_item(proof))
    items.revive(state, proof.tenant, requests.response_item(proof))
    if again.verified is not None and all(
        items.is_stored(state, proof.tenant, handle) for handle in again.handles
    ):
        _settle(state, again)


def _make_items(state: State, proof: ProofRow, event_id: str) -> None:
    item = requests.proof_item(proof)
    answer = requests.response_item(proof)
    response = requests.work_of(proof, answer, WorkClass.SENDER, items.PROOF_RESPONSE, COMMIT_MS, event_id)
    # First the one that waits: making the proof's item may bring the verdict at once (an early result).
    items.create(state, response, (items.verdict(item),))
    early = state.get(EarlyRow, proof.tenant, item)
    work = requests.work_of(proof, item, WorkClass.ZKPROOF, items.PROOF, requests.VERIFY_MS, event_id)
    items.create(state, work, (items.KEY_TOKEN, items.CRS_TOKEN))
    if early is not None and early.verified is not None:
        made = state.get(WorkRow, proof.tenant, item) or work
        apply_verdict(state, made, early.verified, early.handles, early.reason)


def _settle(state: State, proof: ProofRow) -> ProofRow:
    """Verdict and all ciphertexts are there: close the proof's item and let the answer go."""
    if proof.state is ProofState.REQUESTED:
        target = ProofState.VERIFIED if proof.verified else ProofState.REJECTED
        proof = msgspec.structs.replace(proof, state=proof_transition(proof.state, target))
        state.put(proof)
    item = requests.proof_item(proof)
    items.finish(state, proof.tenant, item)
    items.come(state, proof.tenant, items.verdict(item))
    return proof
