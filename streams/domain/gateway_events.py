"""Events of the gateway's contracts: input verification, ciphertext commits, configuration."""

from collections.abc import Callable
from typing import Final

import msgspec

from streams.domain import words
from streams.domain.digest import event_topic
from streams.domain.host_events import Topics, indexed


class VerifyProofRequest(msgspec.Struct, frozen=True):
    """A user asks for an encrypted input list to be verified."""

    zk_proof_id: int
    contract_chain_id: int
    contract: bytes
    user: bytes
    ciphertext: bytes
    extra_data: bytes


class VerifyProofResponseCall(msgspec.Struct, frozen=True):
    """One coprocessor signed the handles of a request."""

    zk_proof_id: int
    handles: tuple[bytes, ...]
    signature: bytes
    tx_sender: bytes
    extra_data: bytes


class VerifyProofResponse(msgspec.Struct, frozen=True):
    """Enough coprocessors signed the same handles."""

    zk_proof_id: int
    handles: tuple[bytes, ...]
    signatures: tuple[bytes, ...]


class RejectProofResponseCall(msgspec.Struct, frozen=True):
    """One coprocessor rejected a request."""

    zk_proof_id: int
    extra_data: bytes


class RejectProofResponse(msgspec.Struct, frozen=True):
    """Enough coprocessors rejected the request."""

    zk_proof_id: int


class AddCiphertextMaterial(msgspec.Struct, frozen=True):
    """One coprocessor committed the digests of a handle."""

    handle: bytes
    key_id: bytes
    ct64_digest: bytes
    ct128_digest: bytes
    tx_sender: bytes


class AddCiphertextMaterialConsensus(msgspec.Struct, frozen=True):
    """Enough coprocessors committed the same digests."""

    handle: bytes
    key_id: bytes
    ct64_digest: bytes
    ct128_digest: bytes
    tx_senders: tuple[bytes, ...]


class Coprocessor(msgspec.Struct, frozen=True):
    """A registered operator: who sends, who signs, where its objects are."""

    tx_sender: bytes
    signer: bytes
    bucket_url: str


class UpdateCoprocessors(msgspec.Struct, frozen=True):
    """The whole set of operators was replaced."""

    coprocessors: tuple[Coprocessor, ...]
    threshold: int


class UpdateCoprocessorThreshold(msgspec.Struct, frozen=True):
    """Another number of equal answers is needed."""

    threshold: int


class AddHostChain(msgspec.Struct, frozen=True):
    """The gateway serves another host chain."""

    chain_id: int
    executor: bytes
    acl: bytes
    name: str
    website: str


class DisableHostChain(msgspec.Struct, frozen=True):
    """The gateway takes no requests for this chain."""

    chain_id: int


class EnableHostChain(msgspec.Struct, frozen=True):
    """The gateway takes requests for this chain again."""

    chain_id: int


class RemoveHostChain(msgspec.Struct, frozen=True):
    """The gateway forgot this chain."""

    chain_id: int


class AccountAllowed(msgspec.Struct, frozen=True):
    """One coprocessor of an old network repeated that an account may decrypt a handle."""

    handle: bytes
    account: bytes
    tx_sender: bytes
    extra_data: bytes


class PublicDecryptAllowed(msgspec.Struct, frozen=True):
    """One coprocessor of an old network repeated that anybody may have a handle decrypted."""

    handle: bytes
    tx_sender: bytes
    extra_data: bytes


InputVerificationEvent = (
    VerifyProofRequest
    | VerifyProofResponseCall
    | VerifyProofResponse
    | RejectProofResponseCall
    | RejectProofResponse
)
CommitEvent = AddCiphertextMaterial | AddCiphertextMaterialConsensus
ConfigEvent = (
    UpdateCoprocessors
    | UpdateCoprocessorThreshold
    | AddHostChain
    | DisableHostChain
    | EnableHostChain
    | RemoveHostChain
)
RightEvent = AccountAllowed | PublicDecryptAllowed
GatewayEvent = InputVerificationEvent | CommitEvent | ConfigEvent | RightEvent
GatewayDecoder = Callable[[Topics, bytes], GatewayEvent]


def _verify_proof_request(topics: Topics, data: bytes) -> VerifyProofRequest:
    zk_proof_id, chain_id = indexed(topics, 2)
    return VerifyProofRequest(
        zk_proof_id=words.stored(zk_proof_id),
        contract_chain_id=words.stored(chain_id),
        contract=words.address(words.word(data, 0)),
        user=words.address(words.word(data, 32)),
        ciphertext=words.tail_bytes(data, words.offset(data, 64)),
        extra_data=words.tail_bytes(data, words.offset(data, 96)),
    )


def _verify_proof_response_call(topics: Topics, data: bytes) -> VerifyProofResponseCall:
    (zk_proof_id,) = indexed(topics, 1)
    return VerifyProofResponseCall(
        zk_proof_id=words.stored(zk_proof_id),
        handles=words.word_array(data, words.offset(data, 0)),
        signature=words.tail_bytes(data, words.offset(data, 32)),
        tx_sender=words.address(words.word(data, 64)),
        extra_data=words.tail_bytes(data, words.offset(data, 96)),
    )


def _verify_proof_response(topics: Topics, data: bytes) -> VerifyProofResponse:
    (zk_proof_id,) = indexed(topics, 1)
    return VerifyProofResponse(
        zk_proof_id=words.stored(zk_proof_id),
        handles=words.word_array(data, words.offset(data, 0)),
        signatures=words.tail_array(data, words.offset(data, 32), words.tail_bytes),
    )


def _reject_proof_response_call(topics: Topics, data: bytes) -> RejectProofResponseCall:
    (zk_proof_id,) = indexed(topics, 1)
    extra_data = words.tail_bytes(data, words.offset(data, 0))
    return RejectProofResponseCall(words.stored(zk_proof_id), extra_data)


def _reject_proof_response(topics: Topics, data: bytes) -> RejectProofResponse:
    (zk_proof_id,) = indexed(topics, 1)
    words.words(data, 0)
    return RejectProofResponse(words.stored(zk_proof_id))


def _add_material(topics: Topics, data: bytes) -> AddCiphertextMaterial:
    (handle,) = indexed(topics, 1)
    key_id, ct64, ct128, sender = words.words(data, 4)
    return AddCiphertextMaterial(handle, key_id, ct64, ct128, words.address(sender))


def _add_material_consensus(topics: Topics, data: bytes) -> AddCiphertextMaterialConsensus:
    (handle,) = indexed(topics, 1)
    senders = words.word_array(data, words.offset(data, 96))
    return AddCiphertextMaterialConsensus(
        handle=handle,
        key_id=words.word(data, 0),
        ct64_digest=words.word(data, 32),
        ct128_digest=words.word(data, 64),
        tx_senders=tuple(words.address(sender) for sender in senders),
    )


def _coprocessor(data: bytes, at: int) -> Coprocessor:
    return Coprocessor(
        tx_sender=words.address(words.word(data, at)),
        signer=words.address(words.word(data, at + 32)),
        bucket_url=words.tail_text(data, words.offset(data, at + 64, at)),
    )


def _update_coprocessors(topics: Topics, data: bytes) -> UpdateCoprocessors:
    indexed(topics, 0)
    coprocessors = words.tail_array(data, words.offset(data, 0), _coprocessor)
    return UpdateCoprocessors(coprocessors, words.unsigned(words.word(data, 32)))


def _update_threshold(topics: Topics, data: bytes) -> UpdateCoprocessorThreshold:
    indexed(topics, 0)
    (threshold,) = words.words(data, 1)
    return UpdateCoprocessorThreshold(words.unsigned(threshold))


def _add_host_chain(topics: Topics, data: bytes) -> AddHostChain:
    indexed(topics, 0)
    at = words.offset(data, 0)
    return AddHostChain(
        chain_id=words.unsigned(words.word(data, at)),
        executor=words.address(words.word(data, at + 32)),
        acl=words.address(words.word(data, at + 64)),
        name=words.tail_text(data, words.offset(data, at + 96, at)),
        website=words.tail_text(data, words.offset(data, at + 128, at)),
    )


def _chain_decoder(
    event: type[DisableHostChain] | type[EnableHostChain] | type[RemoveHostChain],
) -> GatewayDecoder:
    def decode(topics: Topics, data: bytes) -> GatewayEvent:
        (chain_id,) = indexed(topics, 1)
        words.words(data, 0)
        return event(words.unsigned(chain_id))

    return decode


def _account_allowed(topics: Topics, data: bytes) -> AccountAllowed:
    (handle,) = indexed(topics, 1)
    account, sender = words.address(words.word(data, 0)), words.address(words.word(data, 32))
    return AccountAllowed(handle, account, sender, words.tail_bytes(data, words.offset(data, 64)))


def _public_decrypt_allowed(topics: Topics, data: bytes) -> PublicDecryptAllowed:
    (handle,) = indexed(topics, 1)
    sender = words.address(words.word(data, 0))
    return PublicDecryptAllowed(handle, sender, words.tail_bytes(data, words.offset(data, 32)))


VERIFY_PROOF_REQUEST_TOPIC: Final = event_topic(
    "VerifyProofRequest(uint256,uint256,address,address,bytes,bytes)"
)
INPUT_VERIFICATION_DECODERS: Final[dict[bytes, GatewayDecoder]] = {
    VERIFY_PROOF_REQUEST_TOPIC: _verify_proof_request,
    event_topic(
        "VerifyProofResponseCall(uint256,bytes32[],bytes,address,bytes)"
    ): _verify_proof_response_call,
    event_topic("VerifyProofResponse(uint256,bytes32[],bytes[])"): _verify_proof_response,
    event_topic("RejectProofResponseCall(uint256,bytes)"): _reject_proof_response_call,
    event_topic("RejectProofResponse(uint256)"): _reject_proof_response,
}
COMMIT_DECODERS: Final[dict[bytes, GatewayDecoder]] = {
    event_topic("AddCiphertextMaterial(bytes32,uint256,bytes32,bytes32,address)"): _add_material,
    event_topic("AddCiphertextMaterialConsensus(bytes32,uint256,bytes32,bytes32,address[])"): (
        _add_material_consensus
    ),
}
CONFIG_DECODERS: Final[dict[bytes, GatewayDecoder]] = {
    event_topic("UpdateCoprocessors((address,address,string)[],uint256)"): _update_coprocessors,
    event_topic("UpdateCoprocessorThreshold(uint256)"): _update_threshold,
    event_topic("AddHostChain((uint256,address,address,string,string))"): _add_host_chain,
    event_topic("DisableHostChain(uint256)"): _chain_decoder(DisableHostChain),
    event_topic("EnableHostChain(uint256)"): _chain_decoder(EnableHostChain),
    event_topic("RemoveHostChain(uint256)"): _chain_decoder(RemoveHostChain),
}
RIGHT_DECODERS: Final[dict[bytes, GatewayDecoder]] = {
    event_topic("AllowAccount(bytes32,address,address,bytes)"): _account_allowed,
    event_topic("AllowPublicDecrypt(bytes32,address,bytes)"): _public_decrypt_allowed,
}
