import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.adapters.ethereum import eip712
from streams.adapters.ethereum.signer import Signer

RECORDED = Path(__file__).parents[2] / "fixtures" / "evm" / "gateway_input_verification.json"
SECRET = b"\x07" * 32
ADDRESS = st.binary(min_size=20, max_size=20)
WORD = st.binary(min_size=32, max_size=32)
TYPES = {
    "CiphertextVerification": [
        {"name": "ctHandles", "type": "bytes32[]"},
        {"name": "userAddress", "type": "address"},
        {"name": "contractAddress", "type": "address"},
        {"name": "contractChainId", "type": "uint256"},
        {"name": "extraData", "type": "bytes"},
    ]
}


def test_the_type_is_the_protocols() -> None:
    expected = "7572bd9d6960146795387efc75c1f9d948f0c5aa786c2bb453b4b150e49801b4"
    assert eip712.VERIFICATION_TYPE.hex() == expected


@settings(max_examples=40, deadline=None)
@given(
    st.lists(WORD, max_size=4), ADDRESS, ADDRESS, st.integers(0, 2**64 - 1), st.binary(max_size=70), ADDRESS
)
def test_a_vote_is_what_the_reference_signs(
    handles: list[bytes], user: bytes, contract: bytes, chain_id: int, extra_data: bytes, verifying: bytes
) -> None:
    message = {
        "ctHandles": handles,
        "userAddress": f"0x{user.hex()}",
        "contractAddress": f"0x{contract.hex()}",
        "contractChainId": chain_id,
        "extraData": extra_data,
    }
    where = {
        "name": "InputVerification",
        "version": "1",
        "chainId": 54321,
        "verifyingContract": f"0x{verifying.hex()}",
    }
    reference = Account.sign_message(encode_typed_data(where, TYPES, message), SECRET)
    vote = eip712.CiphertextVerification(
        handles=tuple(handles),
        user=user,
        contract=contract,
        contract_chain_id=chain_id,
        extra_data=extra_data,
    )
    domain = eip712.GatewayDomain(54321, verifying)
    assert eip712.sign_verification(Signer(SECRET), domain, vote) == bytes(reference.signature)


def recorded_votes() -> list[tuple[eip712.CiphertextVerification, bytes]]:
    requests: dict[int, dict[str, Any]] = {}
    votes: list[tuple[eip712.CiphertextVerification, bytes]] = []
    for record in json.loads(RECORDED.read_text()):
        for log in record.get("logs", []):
            args = log["args"]
            if log["event"] == "VerifyProofRequest":
                requests[args["zkProofId"]] = args
            if log["event"] == "VerifyProofResponseCall":
                votes.append((vote(requests[args["zkProofId"]], args), raw(args["signature"])))
    return votes


def raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def vote(request: dict[str, Any], answer: dict[str, Any]) -> eip712.CiphertextVerification:
    return eip712.CiphertextVerification(
        handles=tuple(raw(handle) for handle in answer["ctHandles"]),
        user=raw(request["userAddress"]),
        contract=raw(request["contractAddress"]),
        contract_chain_id=request["contractChainId"],
        extra_data=raw(request["extraData"]),
    )


def test_recorded_votes_were_all_cast_by_one_signer() -> None:
    domain = eip712.GatewayDomain(54321, raw("0x3b12Fc766Eb598b285998877e8E90F3e43a1F8d2"))
    voters = {eip712.recover_verification(domain, message, sig) for message, sig in recorded_votes()}
    assert len(recorded_votes()) == 3
    assert len(voters) == 1
    assert None not in voters


@pytest.mark.parametrize(
    "domain", [eip712.GatewayDomain(12345, b"\x01" * 20), eip712.GatewayDomain(54321, b"\x02" * 20)]
)
def test_a_vote_counts_in_its_own_domain_only(domain: eip712.GatewayDomain) -> None:
    home = eip712.GatewayDomain(54321, b"\x01" * 20)
    message, _ = recorded_votes()[0]
    signature = eip712.sign_verification(Signer(SECRET), home, message)
    assert eip712.recover_verification(home, message, signature) == Signer(SECRET).address
    assert eip712.recover_verification(domain, message, signature) != Signer(SECRET).address
