"""Work: self-contained messages of `work.*.v1`, one struct per class of worker.

Workers have no database: a message holds the operations and the compressed inputs. `timeout_s` is the
worker's own limit (10 x the estimated cost, at least one minute).
"""

import hashlib
from enum import StrEnum
from typing import Final

import msgspec

from streams.domain.errors import Undecodable
from streams.domain.results import Ciphertext


class WorkClass(StrEnum):
    """Who computes an item; each class has its topic, but `publish`, which the dispatcher does itself."""

    TFHE = "tfhe"
    ZKPROOF = "zkproof"
    SNS = "sns"
    SENDER = "sender"
    PUBLISH = "publish"


_TIMEOUT_MS_MIN: Final = 60_000
_TIMEOUT_S_MAX: Final = 1e9  # decades: nothing that an estimate gives
_TIMEOUT_FACTOR: Final = 10  # of the estimated cost on a fast core: a worker scales this to its own machine


def timeout_ms(cost_ms: int) -> int:
    """How long a worker may compute on an item of this estimated cost."""
    return max(_TIMEOUT_MS_MIN, _TIMEOUT_FACTOR * cost_ms)


def item_id(work_class: WorkClass, tenant: str, subject: bytes) -> str:
    """Identity of a work item: the same in every run over the same logs."""
    # class and tenant have no zero byte, so the parts cannot be mistaken for one another
    digest = hashlib.sha256(b"\0".join((work_class.encode(), tenant.encode(), subject)))
    return digest.hexdigest()[:32]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of a component; operands are handles or, where the operation says so, plain bytes."""

    operation: int
    operands: tuple[bytes, ...]
    is_scalar: bool
    result: bytes
    fhe_type: int  # of the result


class _Work(msgspec.Struct, frozen=True, kw_only=True):
    item: str
    tenant: str
    attempt: int
    timeout_s: float
    version: int = 1


class ComputeWork(_Work, frozen=True, kw_only=True, tag="compute"):
    """A connected component in the order of its steps; only `outputs` are wanted back."""

    key_id: bytes
    steps: tuple[Step, ...]
    inputs: tuple[Ciphertext, ...]
    outputs: tuple[bytes, ...]
    # Whose turn it is among the items that a worker computes together; neither changes what comes out.
    contract: bytes = b""  # which caused it
    priority: int = 0  # of its lane


class ProofWork(_Work, frozen=True, kw_only=True, tag="proof"):
    """An encrypted input with its proof, as the gateway's event carried it."""

    key_id: bytes
    crs_id: bytes
    zk_proof_id: int
    chain_id: int
    acl_address: bytes
    contract_address: bytes
    user_address: bytes
    ciphertext_with_proof: bytes
    agreed: tuple[bytes, ...] | None = None  # of a replay: the handles that the gateway accepted


class SquashWork(_Work, frozen=True, kw_only=True, tag="squash"):
    """A stored ciphertext to squash, upload and attest."""

    key_id: bytes
    ciphertext: Ciphertext
    transaction_hash: bytes = b""


class AddMaterial(msgspec.Struct, frozen=True, kw_only=True, tag="add_material"):
    """`addCiphertextMaterial(handle, keyId, ciphertextDigest, snsCiphertextDigest)`."""

    handle: bytes
    key_id: bytes
    ct64_digest: bytes
    ct128_digest: bytes


class VerifyResponse(msgspec.Struct, frozen=True, kw_only=True, tag="verify_response"):
    """`verifyProofResponse`; the sender signs the handles over the stored request."""

    zk_proof_id: int
    handles: tuple[bytes, ...]
    user_address: bytes
    contract_address: bytes
    contract_chain_id: int
    extra_data: bytes


class RejectResponse(msgspec.Struct, frozen=True, kw_only=True, tag="reject_response"):
    """`rejectProofResponse(zkProofId, extraData)`."""

    zk_proof_id: int
    extra_data: bytes


class AllowAccount(msgspec.Struct, frozen=True, kw_only=True, tag="allow_account"):
    """`allowAccount(handle, account, extraData)` of an old network, without extra data."""

    handle: bytes
    account: bytes


class AllowPublicDecrypt(msgspec.Struct, frozen=True, kw_only=True, tag="allow_public_decrypt"):
    """`allowPublicDecrypt(handle, extraData)` of an old network, without extra data."""

    handle: bytes


Call = AddMaterial | VerifyResponse | RejectResponse | AllowAccount | AllowPublicDecrypt


class SendWork(_Work, frozen=True, kw_only=True, tag="send"):
    """A call that must happen once on the gateway."""

    call: Call
    seen_ms: int = 0  # when the store first saw what asks for it, as Unix time; 0 where nobody said


Work = ComputeWork | ProofWork | SquashWork | SendWork

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Work)


def encode_work(work: Work) -> bytes:
    """Value of the record that carries this work (before the claim check)."""
    return _encoder.encode(work)


def decode_work(value: bytes) -> Work:
    """The work in a record's value; raises Undecodable."""
    try:
        work = _decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(f"not a work message: {error}") from error
    if not 0 < work.timeout_s <= _TIMEOUT_S_MAX:
        raise Undecodable(f"not a work message: a timeout of {work.timeout_s} s")
    return work
