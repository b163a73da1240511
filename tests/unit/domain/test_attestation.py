import json
from typing import Any

import msgspec
import pytest

from streams.domain import attestation as att
from streams.domain.digest import keccak256
from streams.domain.errors import Undecodable

SIGNER = b"\x5a" * 20


def statement(**changes: Any) -> att.Statement:
    given = att.Statement(
        handle=b"\xaa" * 32,
        key_id=(7).to_bytes(32, "big"),
        ct64_digest=b"\x11" * 32,
        ct128_digest=b"\x22" * 32,
    )
    return msgspec.structs.replace(given, **changes)


def sign(digest: bytes) -> bytes:
    return digest + keccak256(digest) + b"\x1b"


def recover(digest: bytes, signature: bytes) -> bytes | None:
    return SIGNER if signature == sign(digest) else None


def attested(**changes: Any) -> att.Attestation:
    return att.attest(statement(**changes), SIGNER, sign)


def rewritten(**changes: object) -> str:
    return json.dumps({**json.loads(att.to_metadata(attested())), **changes})


def test_the_digest_is_that_of_the_specification() -> None:
    vector = statement(context_id=0, format=att.Format.UNCOMPRESSED_ON_CPU)
    assert att.statement_digest(vector).hex() == (
        "97f99a874a16f680d5c6b60b4cca7356877a78ce59f49872ad21030ebe6e0dd8"
    )


def test_every_field_has_its_place() -> None:
    canonical = att.canonical_bytes(statement(context_id=3))
    assert len(canonical) == 170
    assert canonical[:9] == b"FHEVMCTA\1"
    assert canonical[9:41] == b"\xaa" * 32
    assert canonical[41:73] == (7).to_bytes(32, "big")
    assert canonical[73:105] == (3).to_bytes(32, "big")
    assert canonical[105:137] == b"\x11" * 32
    assert canonical[137:169] == b"\x22" * 32
    assert canonical[169] == 11


def test_a_statement_without_a_squashed_ciphertext_has_zeros_there() -> None:
    bare = att.Statement(handle=bytes(32), key_id=bytes(32), ct64_digest=b"\x11" * 32)
    assert att.canonical_bytes(bare)[137:169] == bytes(32)


@pytest.mark.parametrize("field", ["handle", "key_id", "ct64_digest", "ct128_digest"])
def test_a_part_of_another_length_is_refused(field: str) -> None:
    with pytest.raises(Undecodable):
        att.canonical_bytes(statement(**{field: bytes(31)}))


def test_metadata_is_what_the_verifiers_read() -> None:
    made = json.loads(att.to_metadata(attested()))
    assert made == {
        "version": 1,
        "key_id": "0x" + "00" * 31 + "07",
        "ciphertext_digest": "0x" + "11" * 32,
        "sns_ciphertext_digest": "0x" + "22" * 32,
        "format": "compressed_on_cpu",
        "signer": "0x" + "5a" * 20,
        "signature": "0x" + sign(att.statement_digest(statement())).hex(),
    }


@pytest.mark.parametrize("format_", list(att.Format))
def test_metadata_is_read_back(format_: att.Format) -> None:
    made = attested(format=format_)
    read = att.from_metadata(att.to_metadata(made), statement().handle)
    assert read == made
    assert att.is_genuine(read, recover)


def test_a_number_without_leading_zeros_is_the_same_key() -> None:
    assert att.from_metadata(rewritten(key_id="0x7"), statement().handle) == attested()


@pytest.mark.parametrize(
    "changes",
    [
        {"ciphertext_digest": "0x" + "33" * 32},
        {"sns_ciphertext_digest": "0x" + "33" * 32},
        {"key_id": "0x8"},
        {"format": "compressed_on_gpu"},
        {"signer": "0x" + "5b" * 20},
    ],
)
def test_a_changed_statement_is_not_genuine(changes: dict[str, str]) -> None:
    assert not att.is_genuine(att.from_metadata(rewritten(**changes), statement().handle), recover)


def test_a_statement_moved_to_another_object_is_not_genuine() -> None:
    text = att.to_metadata(attested())
    assert not att.is_genuine(att.from_metadata(text, b"\xab" * 32), recover)
    assert not att.is_genuine(att.from_metadata(text, statement().handle, context_id=2), recover)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"version": "1"},
        {"format": "compressed"},
        {"signature": "0x00"},
        {"signer": "nobody"},
        {"ciphertext_digest": "0x" + "11" * 33},
        {"key_id": "0x" + "1" * 65},
    ],
)
def test_metadata_of_another_shape_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(Undecodable):
        att.from_metadata(rewritten(**changes), statement().handle)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "{"])
def test_metadata_that_is_no_attestation_is_refused(text: str) -> None:
    with pytest.raises(Undecodable):
        att.from_metadata(text, bytes(32))


def test_objects_lie_under_their_handle() -> None:
    assert att.object_key_ct64(b"\xaa" * 32) == f"ct64/{'aa' * 32}/1"
    assert att.object_key_ct128(b"\xaa" * 32, context_id=4) == f"ct128/{'aa' * 32}/4"
