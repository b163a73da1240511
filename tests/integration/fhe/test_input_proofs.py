from pathlib import Path

import cipherstream_client
import pytest

from streams.devnet.client import TfheDecryptor, TfheEncryptor
from streams.domain.errors import InvalidInput
from streams.domain.handle import blob_hash
from streams.domain.operations import FheType
from streams.fhe import clear
from streams.fhe.keyset import KeyFiles
from streams.fhe.known_answers import KnownAnswers
from streams.fhe.suite import ClearValue
from streams.fhe.tfhe_rs import TfheProof, TfheSquash

pytestmark = pytest.mark.fhe

U64, U8, BOOL = FheType.UINT64, FheType.UINT8, FheType.BOOL
AUX = bytes(range(92))
VALUE = [ClearValue(U64, 123456789)]
U64_BLOCKS = (32).to_bytes(8, "little")  # as a list states the length of a value, after its kind
# Made by the encryptor once: proving takes a second.


@pytest.fixture(scope="module")
def honest(encryptor: TfheEncryptor) -> bytes:
    return encryptor.prove(VALUE, AUX)


def refused(proofs: TfheProof, raw: bytes, auxiliary: bytes = AUX) -> str:
    with pytest.raises(InvalidInput) as caught:
        proofs.verify(raw, auxiliary, blob_hash(raw))
    return str(caught.value)


def test_values_come_out_as_they_went_in(
    encryptor: TfheEncryptor, proofs: TfheProof, squash: TfheSquash, decryptor: TfheDecryptor
) -> None:
    values = [ClearValue(BOOL, 1), ClearValue(U64, 1 << 63), ClearValue(U8, 200), ClearValue(7, 1 << 159)]
    raw = encryptor.prove(values, AUX)
    expanded = proofs.verify(raw, AUX, blob_hash(raw))
    assert [value.fhe_type for value in expanded] == [value.fhe_type for value in values]
    opened = [
        decryptor.decrypt(squash.squash(item.ct64, item.fhe_type), item.fhe_type) for item in expanded[:2]
    ]
    assert opened == [1, 1 << 63]


def test_expansion_is_deterministic(proofs: TfheProof, honest: bytes) -> None:
    blob = blob_hash(honest)
    assert proofs.verify(honest, AUX, blob) == proofs.verify(honest, AUX, blob)


def test_the_blob_hash_enters_the_ciphertexts(proofs: TfheProof, honest: bytes) -> None:
    assert proofs.verify(honest, AUX, bytes(32)) != proofs.verify(honest, AUX, blob_hash(honest))


def test_an_empty_list_is_valid(encryptor: TfheEncryptor, proofs: TfheProof) -> None:
    raw = encryptor.prove([], AUX)
    assert proofs.verify(raw, AUX, blob_hash(raw)) == ()


def test_empty_input_is_rejected(proofs: TfheProof) -> None:
    assert "0 bytes" in refused(proofs, b"")


def test_too_many_bytes_are_rejected_before_decoding(proofs: TfheProof) -> None:
    assert "bytes, allowed are" in refused(proofs, bytes((16 << 20) + 1))


@pytest.mark.parametrize("cut", [1, 100, 10_000])
def test_cut_bytes_are_rejected(proofs: TfheProof, honest: bytes, cut: int) -> None:
    assert "does not decode" in refused(proofs, honest[:-cut])


def test_other_formats_are_rejected(proofs: TfheProof, known: KnownAnswers) -> None:
    assert "does not decode" in refused(proofs, bytes(1000))
    assert "does not decode" in refused(proofs, bytes.fromhex(known.inputs["a5"].ct64))
    assert "does not decode" in refused(proofs, clear.encode_list(VALUE, AUX, bytes(16)))


def test_a_flipped_ciphertext_fails(proofs: TfheProof, honest: bytes) -> None:
    middle = 8000  # inside the ciphertexts, which come before the proof
    flipped = honest[:middle] + bytes((honest[middle] ^ 1,)) + honest[middle + 1 :]
    assert refused(proofs, flipped)


def test_a_list_for_another_user_only_fails_verification(proofs: TfheProof, honest: bytes) -> None:
    assert refused(proofs, honest, AUX[::-1]) == "verification failed"


def test_another_reference_string_fails(files: KeyFiles, proofs: TfheProof) -> None:
    recorded = Path(__file__).parents[2] / "fixtures/tfhe/crs.bin"
    raw = TfheEncryptor.open(files.public, recorded).prove(VALUE, AUX)
    assert refused(proofs, raw) == "verification failed"


def test_another_public_key_fails(proofs: TfheProof, crs: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "public"
    cipherstream_client.generate_stranger(stranger)
    raw = TfheEncryptor.open(stranger, crs).prove(VALUE, AUX)
    assert refused(proofs, raw) == "verification failed"


@pytest.mark.parametrize("flaw", ["load-proof", "unpacked", "old-hash"])
def test_forms_that_the_protocol_forbids_do_not_conform(
    encryptor: TfheEncryptor, proofs: TfheProof, flaw: str
) -> None:
    assert "conform" in refused(proofs, encryptor.prove_flawed(VALUE, AUX, flaw))


def test_a_type_that_is_not_stored_is_rejected_although_the_proof_holds(
    proofs: TfheProof, honest: bytes
) -> None:
    unsigned, signed = (kind.to_bytes(4, "little") + U64_BLOCKS for kind in (0, 1))
    assert honest.count(unsigned) == 1
    raw = honest.replace(unsigned, signed)
    assert refused(proofs, raw) == "value 0 is of a type that is not supported"


def test_types_that_no_contract_takes_are_stored_all_the_same(
    encryptor: TfheEncryptor, proofs: TfheProof
) -> None:
    raw = encryptor.prove([ClearValue(FheType.UINT4, 9), ClearValue(FheType.UINT512, 7)], AUX)
    values = proofs.verify(raw, AUX, blob_hash(raw))
    assert [value.fhe_type for value in values] == [FheType.UINT4, FheType.UINT512]


def test_more_than_255_values_are_rejected(encryptor: TfheEncryptor, proofs: TfheProof) -> None:
    raw = encryptor.prove([ClearValue(BOOL, 1)] * 256, AUX)
    assert refused(proofs, raw) == "256 values, at most 255"
