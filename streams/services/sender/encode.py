"""Calls of work items as call data; the vote for handles carries our signature over the stored request."""

from typing import Final

import msgspec

from streams.adapters.ethereum import calls
from streams.adapters.ethereum.eip712 import CiphertextVerification, GatewayDomain, sign_verification
from streams.adapters.ethereum.signer import Signer
from streams.domain.digest import keccak256
from streams.domain.errors import ConfigurationError
from streams.domain.work import (
    AddMaterial,
    AllowAccount,
    AllowPublicDecrypt,
    Call,
    RejectResponse,
    VerifyResponse,
)
from streams.settings import GatewaySettings

ADD_MATERIAL: Final = "add_ciphertext_material"
VERIFY_PROOF: Final = "verify_proof"
ALLOW_HANDLE: Final = "allow_handle"
UNKNOWN: Final = "unknown"  # of a contract that the settings do not have


class Target(msgspec.Struct, frozen=True):
    """A call as a transaction carries it. The same work gives the same bytes, signature included."""

    kind: str  # for metrics
    to: bytes
    data: bytes

    @property
    def call_hash(self) -> bytes:
        """Identity of the call, whatever its nonce."""
        # an address has 20 bytes, so the two cannot be mistaken for one another
        return keccak256(self.to + self.data)


class Encoder:
    """Knows the gateway's contracts and holds the key that signs votes."""

    def __init__(self, gateway: GatewaySettings, signer: Signer) -> None:
        """Raises ConfigurationError when an address is missing."""
        self._verification = _required("input_verification_address", gateway.input_verification_address)
        self._commits = _required("ciphertext_commits_address", gateway.ciphertext_commits_address)
        self._rights = gateway.multichain_acl_address
        self._domain = GatewayDomain(gateway.chain_id, self._verification)
        self._signer = signer

    def target(self, call: Call) -> Target:
        """Contract and call data; raises ConfigurationError for a right without the contract for rights."""
        if isinstance(call, AllowAccount | AllowPublicDecrypt):
            return self._right(call)
        if isinstance(call, AddMaterial):
            digests = call.ct64_digest, call.ct128_digest
            data = calls.add_ciphertext_material(call.handle, call.key_id, *digests)
            return Target(ADD_MATERIAL, self._commits, data)
        if isinstance(call, RejectResponse):
            data = calls.reject_proof_response(call.zk_proof_id, call.extra_data)
        else:
            # Deterministic (RFC 6979): the same vote gives the same call data, hence the same call hash
            # after a restart.
            signature = sign_verification(self._signer, self._domain, _vote(call))
            data = calls.verify_proof_response(call.zk_proof_id, call.handles, signature, call.extra_data)
        return Target(VERIFY_PROOF, self._verification, data)

    def known(self, to: bytes, data: bytes) -> Target | None:
        """A call that was encoded before; None where the settings have its contract no more."""
        kinds = {self._commits: ADD_MATERIAL, self._verification: VERIFY_PROOF}
        if self._rights is not None:
            kinds[_required("multichain_acl_address", self._rights)] = ALLOW_HANDLE
        return Target(kinds[to], to, data) if to in kinds else None

    def _right(self, call: AllowAccount | AllowPublicDecrypt) -> Target:
        to = _required("multichain_acl_address", self._rights)
        if isinstance(call, AllowAccount):
            return Target(ALLOW_HANDLE, to, calls.allow_account(call.handle, call.account))
        return Target(ALLOW_HANDLE, to, calls.allow_public_decrypt(call.handle))


def _vote(call: VerifyResponse) -> CiphertextVerification:
    return CiphertextVerification(
        handles=call.handles,
        user=call.user_address,
        contract=call.contract_address,
        contract_chain_id=call.contract_chain_id,
        extra_data=call.extra_data,
    )


def _required(name: str, address: str | None) -> bytes:
    if address is None:
        raise ConfigurationError(f"set gateway.{name}")
    return bytes.fromhex(address.removeprefix("0x"))
