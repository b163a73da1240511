"""The calls that this coprocessor makes and the views that it reads."""

from collections.abc import Sequence
from typing import Final, cast

import msgspec

from streams.adapters.ethereum import abi
from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.errors import ContractReverted
from streams.domain.gateway_events import Coprocessor

VERIFY_PROOF_REQUEST: Final = abi.function("verifyProofRequest(uint256,address,address,bytes,bytes)")
VERIFY_PROOF_RESPONSE: Final = abi.function("verifyProofResponse(uint256,bytes32[],bytes,bytes)")
REJECT_PROOF_RESPONSE: Final = abi.function("rejectProofResponse(uint256,bytes)")
ADD_CIPHERTEXT_MATERIAL: Final = abi.function("addCiphertextMaterial(bytes32,uint256,bytes32,bytes32)")
# Of networks up to v0.11 only.
ALLOW_ACCOUNT: Final = abi.function("allowAccount(bytes32,address,bytes)")
ALLOW_PUBLIC_DECRYPT: Final = abi.function("allowPublicDecrypt(bytes32,bytes)")
IS_ACCOUNT_ALLOWED: Final = abi.function("isAccountAllowed(bytes32,address,bytes)", "(bool)")
IS_PUBLIC_DECRYPT_ALLOWED: Final = abi.function("isPublicDecryptAllowed(bytes32,bytes)", "(bool)")
IS_PROOF_VERIFIED: Final = abi.function("isProofVerified(uint256)", "(bool)")
IS_PROOF_REJECTED: Final = abi.function("isProofRejected(uint256)", "(bool)")
IS_MATERIAL_ADDED: Final = abi.function("isCiphertextMaterialAdded(bytes32)", "(bool)")
GET_MATERIALS: Final = abi.function(
    "getCiphertextMaterials(bytes32[])", "((bytes32,uint256,bytes32,address[])[])"
)
GET_SNS_MATERIALS: Final = abi.function(
    "getSnsCiphertextMaterials(bytes32[])", "((bytes32,uint256,bytes32,address[])[])"
)
GET_COPROCESSOR: Final = abi.function("getCoprocessor(address)", "((address,address,string))")
GET_COPROCESSOR_SIGNERS: Final = abi.function("getCoprocessorSigners()", "(address[])")
GET_THRESHOLD: Final = abi.function("getCoprocessorMajorityThreshold()", "(uint256)")
IS_HOST_CHAIN_REGISTERED: Final = abi.function("isHostChainRegistered(uint256)", "(bool)")
GET_VERSION: Final = abi.function("getVersion()", "(string)")

_Rows = tuple[tuple[bytes, int, bytes, tuple[bytes, ...]]]


class CommittedMaterial(msgspec.Struct, frozen=True):
    """What the gateway agreed on for a handle."""

    handle: bytes
    key_id: bytes
    ct64_digest: bytes
    ct128_digest: bytes
    tx_senders: tuple[bytes, ...]


def verify_proof_request(
    chain_id: int, contract: bytes, user: bytes, ciphertext: bytes, extra_data: bytes
) -> bytes:
    """Call data of a user's request."""
    return abi.encode_call(VERIFY_PROOF_REQUEST, chain_id, contract, user, ciphertext, extra_data)


def verify_proof_response(
    zk_proof_id: int, handles: Sequence[bytes], signature: bytes, extra_data: bytes
) -> bytes:
    """Call data of a vote for these handles."""
    return abi.encode_call(VERIFY_PROOF_RESPONSE, zk_proof_id, list(handles), signature, extra_data)


def reject_proof_response(zk_proof_id: int, extra_data: bytes) -> bytes:
    """Call data of a vote against the input."""
    return abi.encode_call(REJECT_PROOF_RESPONSE, zk_proof_id, extra_data)


def add_ciphertext_material(handle: bytes, key_id: bytes, ct64_digest: bytes, ct128_digest: bytes) -> bytes:
    """Call data of a commit; the key id as its 32 bytes."""
    number = int.from_bytes(key_id, "big")
    return abi.encode_call(ADD_CIPHERTEXT_MATERIAL, handle, number, ct64_digest, ct128_digest)


def allow_account(handle: bytes, account: bytes) -> bytes:
    """Call data of a right, without extra data: votes differ where these differ."""
    return abi.encode_call(ALLOW_ACCOUNT, handle, account, b"")


def allow_public_decrypt(handle: bytes) -> bytes:
    """Call data of everybody's right, without extra data."""
    return abi.encode_call(ALLOW_PUBLIC_DECRYPT, handle, b"")


async def is_proof_verified(chain: EthereumChain, input_verification: bytes, zk_proof_id: int) -> bool:
    """Whether the votes for handles reached the threshold."""
    return cast(bool, (await chain.view(input_verification, IS_PROOF_VERIFIED, zk_proof_id))[0])


async def is_proof_rejected(chain: EthereumChain, input_verification: bytes, zk_proof_id: int) -> bool:
    """Whether the rejections reached the threshold."""
    return cast(bool, (await chain.view(input_verification, IS_PROOF_REJECTED, zk_proof_id))[0])


async def is_material_added(chain: EthereumChain, commits: bytes, handle: bytes) -> bool:
    """Whether the commits of a handle reached the threshold."""
    return cast(bool, (await chain.view(commits, IS_MATERIAL_ADDED, handle))[0])


async def committed_material(chain: EthereumChain, commits: bytes, handle: bytes) -> CommittedMaterial | None:
    """Both digests that the gateway agreed on, or None before that."""
    try:
        (ct64_rows,) = await chain.view(commits, GET_MATERIALS, [handle])
        (ct128_rows,) = await chain.view(commits, GET_SNS_MATERIALS, [handle])
    except ContractReverted as error:
        if error.name == "CiphertextMaterialNotFound":
            return None
        raise
    (row,), (sns_row,) = cast(_Rows, ct64_rows), cast(_Rows, ct128_rows)
    ct128_digest = sns_row[2]
    return CommittedMaterial(row[0], row[1].to_bytes(32, "big"), row[2], ct128_digest, row[3])


async def coprocessor(chain: EthereumChain, config: bytes, tx_sender: bytes) -> Coprocessor | None:
    """Registration of a sender, or None where it has none."""
    (row,) = await chain.view(config, GET_COPROCESSOR, tx_sender)
    registered, signer, url = cast(tuple[bytes, bytes, str], row)
    return Coprocessor(registered, signer, url) if any(registered) else None


async def coprocessor_signers(chain: EthereumChain, config: bytes) -> tuple[bytes, ...]:
    """Addresses whose signatures count."""
    return cast(tuple[bytes, ...], (await chain.view(config, GET_COPROCESSOR_SIGNERS))[0])


async def threshold(chain: EthereumChain, config: bytes) -> int:
    """How many equal answers the gateway asks for."""
    return cast(int, (await chain.view(config, GET_THRESHOLD))[0])


async def version(chain: EthereumChain, contract: bytes) -> str:
    """A contract's name and release."""
    return cast(str, (await chain.view(contract, GET_VERSION))[0])
