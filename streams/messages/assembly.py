"""Messages of work items, from the rows that they are about. Pure: the stores only find the rows."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from streams.domain import items as kinds
from streams.domain.control import CiphertextAnnouncement
from streams.domain.handle import HANDLE_BYTES
from streams.domain.operands import handle_operands
from streams.domain.requests import is_about, replay_item
from streams.domain.results import Ciphertext
from streams.domain.rows import CiphertextRow, DigestRow, MemberRow, ProofRow, WorkRow
from streams.domain.work import (
    AddMaterial,
    AllowAccount,
    AllowPublicDecrypt,
    Call,
    ComputeWork,
    ProofWork,
    RejectResponse,
    SendWork,
    SquashWork,
    Step,
    VerifyResponse,
    timeout_ms,
)
from streams.ports import DeadLetter, Record

_PROOF_ID_BYTES: Final = 32


def proof_id(item: WorkRow) -> int:
    """Id of the proof request that an item is about."""
    return int.from_bytes(item.subject[:_PROOF_ID_BYTES], "big")


def stored(row: CiphertextRow) -> Ciphertext:
    """A stored ciphertext as messages carry it."""
    return Ciphertext(handle=row.handle, fhe_type=row.fhe_type, ct64=row.ciphertext)


def inputs_of(members: Iterable[MemberRow]) -> set[bytes]:
    """Handles of the ciphertexts that a component needs from outside."""
    inside: set[bytes] = set()
    used: set[bytes] = set()
    for member in members:
        inside.add(member.handle)
        used.update(handle_operands(member.fhe_operation, member.dependencies, member.is_scalar))
    return used - inside


def compute(item: WorkRow, members: Sequence[MemberRow], found: Iterable[Ciphertext]) -> ComputeWork | None:
    """A component in the order of its steps; None when an input is not stored (any more).

    Of what is stored it takes the inputs only: a plaintext may have the bytes of a handle, and whether that
    one is stored must not show in the result.
    """
    ordered = sorted(members, key=lambda member: member.position)
    needed = inputs_of(ordered)
    inputs = [ciphertext for ciphertext in found if ciphertext.handle in needed]
    if len(inputs) < len(needed):
        return None
    return ComputeWork(
        item=item.id,
        tenant=item.tenant,
        attempt=item.attempt,
        timeout_s=_timeout_s(item),
        key_id=item.key_id,
        steps=tuple(map(_step, ordered)),
        inputs=tuple(sorted(inputs, key=lambda ciphertext: ciphertext.handle)),
        outputs=tuple(member.handle for member in ordered if member.is_output),
        contract=item.contract,
        priority=item.priority,
    )


def proof(item: WorkRow, request: ProofRow) -> ProofWork | None:
    """An input to verify; None when another request has its number, or nothing asks for it again any more."""
    is_replay = item.kind == kinds.PROOF_REPLAY
    if not is_about(item, request) or (is_replay and replay_item(request) != item.id):
        return None
    return ProofWork(
        item=item.id,
        tenant=item.tenant,
        attempt=item.attempt,
        timeout_s=_timeout_s(item),
        key_id=item.key_id,
        crs_id=request.crs_id,
        zk_proof_id=request.zk_proof_id,
        chain_id=request.chain_id,
        acl_address=_acl_of(item.tenant),
        contract_address=request.contract_address,
        user_address=request.user_address,
        ciphertext_with_proof=request.input,
        agreed=request.agreed if is_replay else None,
    )


def squash(item: WorkRow, row: CiphertextRow, transaction_id: bytes) -> SquashWork:
    """A ciphertext to squash."""
    return SquashWork(
        item=item.id,
        tenant=item.tenant,
        attempt=item.attempt,
        timeout_s=_timeout_s(item),
        key_id=row.key_id,
        ciphertext=stored(row),
        transaction_hash=transaction_id,
    )


def material(item: WorkRow, digest: DigestRow, seen_ms: int = 0) -> SendWork:
    """The commit of a handle's digests."""
    call = AddMaterial(
        handle=digest.handle,
        key_id=digest.key_id,
        ct64_digest=digest.ciphertext,
        ct128_digest=digest.ciphertext128,
    )
    return _send(item, call, seen_ms)


def response(item: WorkRow, request: ProofRow, seen_ms: int = 0) -> SendWork | None:
    """The answer to a request; None while there is no verdict, or when another one has its number."""
    if request.verified is None or not is_about(item, request):
        return None
    if not request.verified:
        refusal = RejectResponse(zk_proof_id=request.zk_proof_id, extra_data=request.extra_data)
        return _send(item, refusal, seen_ms)
    call = VerifyResponse(
        zk_proof_id=request.zk_proof_id,
        handles=request.handles,
        user_address=request.user_address,
        contract_address=request.contract_address,
        contract_chain_id=request.chain_id,
        extra_data=request.extra_data,
    )
    return _send(item, call, seen_ms)


def right(item: WorkRow, seen_ms: int = 0) -> SendWork:
    """A right of the host chain, for the gateway of an old network."""
    handle, account = item.subject[:HANDLE_BYTES], item.subject[HANDLE_BYTES:]
    if account:
        return _send(item, AllowAccount(handle=handle, account=account), seen_ms)
    return _send(item, AllowPublicDecrypt(handle=handle), seen_ms)


def announcement(item: WorkRow, digest: DigestRow, fhe_type: int) -> CiphertextAnnouncement:
    """Where a handle's objects are."""
    return CiphertextAnnouncement(
        tenant=item.tenant,
        handle=digest.handle,
        fhe_type=fhe_type,
        key_id=digest.key_id,
        ct64_digest=digest.ciphertext,
        ct128_digest=digest.ciphertext128,
        format=digest.ciphertext128_format,
    )


def failed(letter: WorkRow, item: WorkRow) -> DeadLetter:
    """An item that failed for good: its original is the row, because its message can be assembled again."""
    record = Record(
        topic=f"work.{item.work_class}.v1",
        partition=item.partition,
        offset=-1,
        key=item.tenant.encode(),
        value=msgspec.json.encode(item),
    )
    error_class, _, error = item.cause.partition(": ")
    return DeadLetter(
        id=letter.subject,
        tenant=item.tenant,
        record=record,
        error_class=error_class,
        error=error or item.cause,
    )


def _send(item: WorkRow, call: Call, seen_ms: int) -> SendWork:
    return SendWork(
        item=item.id,
        tenant=item.tenant,
        attempt=item.attempt,
        timeout_s=_timeout_s(item),
        call=call,
        seen_ms=seen_ms,
    )


def _step(member: MemberRow) -> Step:
    return Step(
        operation=member.fhe_operation,
        operands=member.dependencies,
        is_scalar=member.is_scalar,
        result=member.handle,
        fhe_type=member.fhe_type,
    )


def _timeout_s(item: WorkRow) -> float:
    return timeout_ms(item.cost_ms) / 1000


def _acl_of(tenant: str) -> bytes:
    """ACL address of a host chain's tenant, whose name is `chain.address`."""
    return bytes.fromhex(tenant.partition(".")[2])
