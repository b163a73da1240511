"""Calls as the gateway's contracts decode them; votes are signed by the signer, not by the sender."""

import pytest
from eth_abi.abi import decode

from streams.adapters.ethereum.eip712 import CiphertextVerification, GatewayDomain, recover_verification
from streams.adapters.ethereum.signer import Signer
from streams.domain.errors import ConfigurationError
from streams.domain.work import AddMaterial, AllowAccount, AllowPublicDecrypt, RejectResponse, VerifyResponse
from streams.services.sender.encode import ADD_MATERIAL, ALLOW_HANDLE, VERIFY_PROOF, Encoder
from streams.settings import GatewaySettings

VERIFICATION, COMMITS = b"\xaa" * 20, b"\xbb" * 20
VOTES = Signer(bytes(31) + b"\2")
GATEWAY = GatewaySettings(
    chain_id=54321,
    input_verification_address="0x" + VERIFICATION.hex(),
    ciphertext_commits_address="0x" + COMMITS.hex(),
)
ENCODER = Encoder(GATEWAY, VOTES)
RESPONSE = VerifyResponse(
    zk_proof_id=9,
    handles=(b"\1" * 32, b"\2" * 32),
    user_address=b"\3" * 20,
    contract_address=b"\4" * 20,
    contract_chain_id=12345,
    extra_data=b"\7",
)


def test_a_commit_carries_handle_key_and_both_digests() -> None:
    call = AddMaterial(
        handle=b"\1" * 32, key_id=bytes(31) + b"\5", ct64_digest=b"\2" * 32, ct128_digest=b"\3" * 32
    )
    target = ENCODER.target(call)
    assert (target.kind, target.to, target.data[:4].hex()) == (ADD_MATERIAL, COMMITS, "90f30354")
    values = decode(["bytes32", "uint256", "bytes32", "bytes32"], target.data[4:])
    assert values == (b"\1" * 32, 5, b"\2" * 32, b"\3" * 32)


def test_a_vote_is_signed_over_the_stored_request() -> None:
    target = ENCODER.target(RESPONSE)
    assert (target.kind, target.to, target.data[:4].hex()) == (VERIFY_PROOF, VERIFICATION, "31bedea3")
    zk_proof_id, handles, signature, extra = decode(
        ["uint256", "bytes32[]", "bytes", "bytes"], target.data[4:]
    )
    vote = CiphertextVerification(
        handles=tuple(handles),
        user=RESPONSE.user_address,
        contract=RESPONSE.contract_address,
        contract_chain_id=12345,
        extra_data=extra,
    )
    assert (zk_proof_id, handles, extra) == (9, RESPONSE.handles, b"\7")
    assert recover_verification(GatewayDomain(54321, VERIFICATION), vote, signature) == VOTES.address


def test_rights_of_an_old_network_carry_no_extra_data() -> None:
    rights = b"\xcc" * 20
    old = GATEWAY.model_copy(update={"multichain_acl_address": "0x" + rights.hex()})
    encoder = Encoder(old, VOTES)
    account = encoder.target(AllowAccount(handle=b"\1" * 32, account=b"\2" * 20))
    assert (account.kind, account.to) == (ALLOW_HANDLE, rights)
    values = decode(["bytes32", "address", "bytes"], account.data[4:])
    assert values == (b"\1" * 32, "0x" + "02" * 20, b"")
    public = encoder.target(AllowPublicDecrypt(handle=b"\1" * 32))
    assert decode(["bytes32", "bytes"], public.data[4:]) == (b"\1" * 32, b"")
    assert public.data[:4] != account.data[:4]


def test_a_right_without_its_contract_names_the_setting() -> None:
    with pytest.raises(ConfigurationError, match=r"gateway\.multichain_acl_address"):
        ENCODER.target(AllowPublicDecrypt(handle=b"\1" * 32))


def test_a_rejection_names_the_request() -> None:
    target = ENCODER.target(RejectResponse(zk_proof_id=9, extra_data=b"\7"))
    assert target.data[:4].hex() == "338007fc"
    assert decode(["uint256", "bytes"], target.data[4:]) == (9, b"\7")


def test_the_same_work_is_the_same_call() -> None:
    other = Encoder(GATEWAY, VOTES)
    assert ENCODER.target(RESPONSE).call_hash == other.target(RESPONSE).call_hash
    assert (
        ENCODER.target(RESPONSE).call_hash
        != ENCODER.target(RejectResponse(zk_proof_id=9, extra_data=b"")).call_hash
    )


@pytest.mark.parametrize("missing", ["input_verification_address", "ciphertext_commits_address"])
def test_a_missing_address_is_named(missing: str) -> None:
    with pytest.raises(ConfigurationError, match=missing):
        Encoder(GATEWAY.model_copy(update={missing: None}), VOTES)
