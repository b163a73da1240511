"""What a coprocessor signs for an encrypted input: EIP-712 typed data of the gateway's input verification."""

from typing import Final

import msgspec

from streams.adapters.ethereum.signer import Signer, recover
from streams.domain.digest import keccak256

_DOMAIN_TYPE: Final = keccak256(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
VERIFICATION_TYPE: Final = keccak256(
    b"CiphertextVerification(bytes32[] ctHandles,address userAddress,address contractAddress,"
    b"uint256 contractChainId,bytes extraData)"
)
_NAME: Final = keccak256(b"InputVerification")
_VERSION: Final = keccak256(b"1")


class GatewayDomain(msgspec.Struct, frozen=True):
    """Where a signature counts: the gateway's chain and its input verification contract."""

    chain_id: int
    input_verification: bytes


class CiphertextVerification(msgspec.Struct, frozen=True, kw_only=True):
    """The vote: these handles came out of that user's input for that contract."""

    handles: tuple[bytes, ...]
    user: bytes
    contract: bytes
    contract_chain_id: int
    extra_data: bytes


def domain_separator(domain: GatewayDomain) -> bytes:
    """Hash of the domain."""
    contract = domain.input_verification.rjust(32, b"\0")
    return keccak256(_DOMAIN_TYPE + _NAME + _VERSION + domain.chain_id.to_bytes(32, "big") + contract)


def verification_digest(domain: GatewayDomain, message: CiphertextVerification) -> bytes:
    """What is signed."""
    struct_hash = keccak256(
        VERIFICATION_TYPE
        + keccak256(b"".join(message.handles))
        + message.user.rjust(32, b"\0")
        + message.contract.rjust(32, b"\0")
        + message.contract_chain_id.to_bytes(32, "big")
        + keccak256(message.extra_data)
    )
    return keccak256(b"\x19\x01" + domain_separator(domain) + struct_hash)


def sign_verification(signer: Signer, domain: GatewayDomain, message: CiphertextVerification) -> bytes:
    """65-byte vote."""
    return signer.sign_digest(verification_digest(domain, message))


def recover_verification(
    domain: GatewayDomain, message: CiphertextVerification, signature: bytes
) -> bytes | None:
    """Address that cast this vote, or None where it is no signature."""
    return recover(verification_digest(domain, message), signature)
