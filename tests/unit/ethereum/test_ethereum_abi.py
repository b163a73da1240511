import json
from pathlib import Path

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from streams.adapters.ethereum import abi, calls
from streams.domain.errors import Undecodable

RECORDED = Path(__file__).parents[2] / "fixtures" / "evm"
ADDRESS = b"\xad" * 20

SELECTORS = {
    calls.VERIFY_PROOF_REQUEST: "a7004996",
    calls.VERIFY_PROOF_RESPONSE: "31bedea3",
    calls.REJECT_PROOF_RESPONSE: "338007fc",
    calls.IS_PROOF_VERIFIED: "e96f88ea",
    calls.IS_PROOF_REJECTED: "0c615839",
    calls.ADD_CIPHERTEXT_MATERIAL: "90f30354",
    calls.IS_MATERIAL_ADDED: "2ddc9a6f",
    calls.GET_MATERIALS: "55c4d997",
    calls.GET_SNS_MATERIALS: "a14f8971",
    calls.GET_COPROCESSOR: "ef6997f9",
    calls.GET_COPROCESSOR_SIGNERS: "9164d0ae",
    calls.GET_THRESHOLD: "6799ef52",
    calls.IS_HOST_CHAIN_REGISTERED: "bff3aaba",
}
ERROR_SELECTORS = {
    "CoprocessorAlreadyVerified": "f9ed431f",
    "CoprocessorAlreadyRejected": "2fa73174",
    "VerifyProofNotRequested": "4711083f",
    "CoprocessorAlreadyAdded": "1dd7250c",
    "CiphertextMaterialNotFound": "0666cbdf",
    "NotCoprocessorTxSender": "52d725f5",
    "NotCoprocessorSigner": "26cd75dc",
    "CoprocessorSignerDoesNotMatchTxSender": "e134bf62",
    "HostChainDisabled": "603668c4",
    "HostChainNotRegistered": "b6679c3b",
}


@pytest.mark.parametrize(
    ("listing", "types"),
    [
        ("()", ()),
        ("(uint256)", ("uint256",)),
        ("(uint256,bytes32[],bytes)", ("uint256", "bytes32[]", "bytes")),
        ("((address,string)[],uint256)", ("(address,string)[]", "uint256")),
        ("((uint8,(bytes,bytes32)[]),bool)", ("(uint8,(bytes,bytes32)[])", "bool")),
    ],
)
def test_types_are_split_with_tuples_whole(listing: str, types: tuple[str, ...]) -> None:
    assert abi.split_types(listing) == types


@pytest.mark.parametrize(("called", "selector"), SELECTORS.items(), ids=lambda value: str(value)[:40])
def test_selectors_are_the_gateways(called: abi.Function, selector: str) -> None:
    assert called.selector.hex() == selector


@pytest.mark.parametrize(("name", "selector"), ERROR_SELECTORS.items())
def test_error_selectors_are_the_gateways(name: str, selector: str) -> None:
    assert abi.ERRORS[bytes.fromhex(selector)].name == name


def test_calls_are_those_that_were_recorded() -> None:
    record = json.loads((RECORDED / "gateway_ciphertext_commits.json").read_text())[0]
    args = record["logs"][0]["args"]
    made = calls.add_ciphertext_material(
        bytes.fromhex(args["ctHandle"][2:]),
        int(args["keyId"]).to_bytes(32, "big"),
        bytes.fromhex(args["ciphertextDigest"][2:]),
        bytes.fromhex(args["snsCiphertextDigest"][2:]),
    )
    assert f"0x{made.hex()}" == record["input"]


def test_a_vote_is_encoded_as_it_was_recorded() -> None:
    records = json.loads((RECORDED / "gateway_input_verification.json").read_text())
    record = next(item for item in records if item["note"].startswith("verifyProofResponse"))
    args = record["logs"][0]["args"]
    handles = [bytes.fromhex(handle[2:]) for handle in args["ctHandles"]]
    signature, extra_data = bytes.fromhex(args["signature"][2:]), bytes.fromhex(args["extraData"][2:])
    made = calls.verify_proof_response(args["zkProofId"], handles, signature, extra_data)
    assert f"0x{made.hex()}" == record["input"]


def test_a_rejection_is_encoded_as_it_was_recorded() -> None:
    records = json.loads((RECORDED / "gateway_input_verification.json").read_text())
    record = next(item for item in records if item["note"].startswith("rejectProofResponse"))
    assert f"0x{calls.reject_proof_response(3, bytes(1)).hex()}" == record["input"]


@given(st.binary(min_size=20, max_size=20), st.lists(st.binary(min_size=20, max_size=20), max_size=3))
def test_addresses_come_back_as_bytes(single: bytes, many: list[bytes]) -> None:
    called = abi.function("f()", "(address,address[],(address,uint8)[])")
    data = encode(called.outputs, [single, many, [(single, 7)]])
    assert abi.decode_result(called, data) == (single, tuple(many), ((single, 7),))


def test_a_result_that_does_not_decode_is_told_with_the_call() -> None:
    with pytest.raises(Undecodable, match=r"isProofVerified\(uint256\) returned 0 bytes"):
        abi.decode_result(calls.IS_PROOF_VERIFIED, b"")


def test_an_argument_that_does_not_fit_is_told_before_the_call() -> None:
    with pytest.raises(Undecodable):
        abi.encode_call(calls.ADD_CIPHERTEXT_MATERIAL, bytes(33), 1, bytes(32), bytes(32))


def test_a_custom_error_is_decoded_with_its_arguments() -> None:
    shape = abi.error("CoprocessorAlreadyVerified(uint256,address,address)")
    refused = abi.decode_error(shape.selector + encode(shape.inputs, [3, ADDRESS, bytes(20)]))
    assert refused.name == "CoprocessorAlreadyVerified"
    assert refused.arguments == (3, ADDRESS, bytes(20))
    assert str(refused) == f"CoprocessorAlreadyVerified(3, 0x{ADDRESS.hex()}, 0x{'00' * 20})"


def test_a_reason_in_words_is_decoded() -> None:
    shape = abi.error("Error(string)")
    assert str(abi.decode_error(shape.selector + encode(["string"], ["paused"]))) == "Error(paused)"


@pytest.mark.parametrize("data", [b"", b"\1", b"\1\2\3\4", b"\1\2\3\4" + bytes(32)])
def test_an_unknown_error_keeps_its_bytes(data: bytes) -> None:
    refused = abi.decode_error(data)
    assert (refused.name, refused.data) == ("Unknown", data)


def test_an_error_cut_short_keeps_its_name() -> None:
    shape = abi.error("NotCoprocessorSigner(address)")
    refused = abi.decode_error(shape.selector + b"\0")
    assert refused.name == "NotCoprocessorSigner"
    assert refused.arguments == ()


@pytest.mark.parametrize(
    "tail",
    [(32, 2, b"\xff\xff".ljust(32, b"\0")), (2**256 - 1,), (32, 2**256 - 1)],
    ids=["no text", "offset beyond memory", "length beyond memory"],
)
def test_what_a_contract_makes_up_is_undecodable(tail: tuple[int | bytes, ...]) -> None:
    data = b"".join(part if isinstance(part, bytes) else part.to_bytes(32, "big") for part in tail)
    assert str(abi.decode_error(abi.selector("Error(string)") + data)) == "Error()"
    with pytest.raises(Undecodable):
        abi.decode_result(abi.function("getVersion()", "(string)"), data)
