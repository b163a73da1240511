import pytest
import recorded
from hypothesis import given
from hypothesis import strategies as st

from streams.domain import handle as handles
from streams.domain.digest import keccak256
from streams.domain.errors import Undecodable
from streams.domain.operations import FheType

# The access list of the recorded chain; the recorded handles were made for it.
ACL = bytes.fromhex("05fd9b5efe0a996095f42ed7e77c390810cf660c")
HOST = 12345
COMPUTED = bytes.fromhex("084496aae6bdd48c3fd753c9c563bc222a5e046d5bff00000000000030390500")


def answered_requests() -> list[tuple[bytes, list[bytes]]]:
    """Ciphertexts of recorded requests with the handles that they were answered with."""
    ciphertexts: dict[int, str] = {}
    found: list[tuple[bytes, list[bytes]]] = []
    for record in recorded.records("gateway_input_verification.json"):
        for log in record.get("logs", []):
            args = log["args"]
            if log["event"] == "VerifyProofRequest":
                ciphertexts[args["zkProofId"]] = args["ciphertextWithZKProof"]
            if log["event"] == "VerifyProofResponse":
                answer = [bytes.fromhex(handle[2:]) for handle in args["ctHandles"]]
                found.append((bytes.fromhex(ciphertexts[args["zkProofId"]][2:]), answer))
    return found


def test_keccak_is_ethereums() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


def test_a_handle_tells_its_parts() -> None:
    handle = handles.parse_handle(COMPUTED)
    assert (handle.index, handle.chain_id, handle.fhe_type, handle.version) == (0xFF, HOST, FheType.UINT64, 0)
    assert handle.is_computed
    assert str(handle) == f"0x{COMPUTED.hex()}"
    assert handle.hex() == COMPUTED.hex()


@pytest.mark.parametrize("text", [COMPUTED.hex(), f"0x{COMPUTED.hex()}", COMPUTED.hex().upper()])
def test_a_handle_is_read_as_people_write_it(text: str) -> None:
    assert handles.parse_handle_text(text).raw == COMPUTED


@pytest.mark.parametrize("text", ["", "0x", "0xzz", COMPUTED.hex()[:-2], COMPUTED.hex() + "00", "handle"])
def test_what_is_no_handle_is_refused(text: str) -> None:
    with pytest.raises(Undecodable):
        handles.parse_handle_text(text)


def test_another_version_is_refused() -> None:
    with pytest.raises(Undecodable, match="version 1"):
        handles.parse_handle(COMPUTED[:-1] + b"\1")


def test_recorded_answers_hold_the_handles_of_their_inputs() -> None:
    answered = answered_requests()
    assert [len(answer) for _, answer in answered] == [3, 1, 0]
    for ciphertext, answer in answered:
        blob = handles.blob_hash(ciphertext)
        made = [
            handles.input_handle(blob, index, ACL, HOST, handles.parse_handle(handle).fhe_type)
            for index, handle in enumerate(answer)
        ]
        assert made == answer


def test_an_input_handle_depends_on_everything_that_names_it() -> None:
    blob, other = handles.blob_hash(b"list"), handles.blob_hash(b"lisT")
    made = {
        handles.input_handle(blob, 0, ACL, HOST, FheType.UINT64),
        handles.input_handle(other, 0, ACL, HOST, FheType.UINT64),
        handles.input_handle(blob, 1, ACL, HOST, FheType.UINT64),
        handles.input_handle(blob, 0, bytes(20), HOST, FheType.UINT64),
        handles.input_handle(blob, 0, ACL, HOST + 1, FheType.UINT64),
        handles.input_handle(blob, 0, ACL, HOST, FheType.UINT8),
    }
    assert len(made) == 6


@given(
    st.binary(min_size=32, max_size=32),
    st.integers(0, 254),
    st.integers(0, 2**64 - 1),
    st.sampled_from(list(FheType)),
)
def test_an_input_handle_carries_its_parts(blob: bytes, index: int, chain_id: int, fhe_type: FheType) -> None:
    handle = handles.parse_handle(handles.input_handle(blob, index, ACL, chain_id, fhe_type))
    assert (handle.index, handle.chain_id, handle.fhe_type) == (index, chain_id, fhe_type)
    assert not handle.is_computed


@pytest.mark.parametrize(
    ("blob", "index", "acl", "chain_id", "fhe_type"),
    [
        (bytes(32), 255, ACL, HOST, 5),
        (bytes(32), -1, ACL, HOST, 5),
        (bytes(31), 0, ACL, HOST, 5),
        (bytes(32), 0, ACL[1:], HOST, 5),
        (bytes(32), 0, ACL, 2**64, 5),
        (bytes(32), 0, ACL, HOST, 256),
    ],
    ids=["computed index", "negative index", "short blob", "short address", "wide chain", "wide type"],
)
def test_an_impossible_input_handle_is_refused(
    blob: bytes, index: int, acl: bytes, chain_id: int, fhe_type: int
) -> None:
    with pytest.raises(Undecodable):
        handles.input_handle(blob, index, acl, chain_id, fhe_type)


def test_the_stamp_makes_the_bridged_handle_of_the_specification() -> None:
    source = bytes.fromhex("01020304") + bytes(26) + b"\5\0"
    acl = bytes.fromhex("50157cffd6bbfa2dece204a89ec419c23ef5755d")
    parent = bytes.fromhex("0a0b0c0d") + bytes(28)
    numbers = (12345).to_bytes(32, "big") + parent + (1_700_000_000).to_bytes(32, "big")
    digest = keccak256(b"FHE_brdg" + source + acl + numbers)
    made = handles.stamp(digest, handles.COMPUTED_INDEX, 12345, source[30])
    assert made.hex() == "89ee7803d65c29976056001f9db9ba5d8b38975ac4ff00000000000030390500"
