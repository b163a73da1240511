"""Records of `results.v1` as the state takes them."""

import pytest
from msgspec.structs import replace

from streams.domain.errors import Undecodable
from streams.domain.results import (
    Computed,
    Failed,
    Proven,
    Result,
    Sent,
    Squashed,
    Started,
    decode_result,
    encode_result,
)

BASE = {"item": "i", "attempt": 0, "worker": "w"}
SQUASHED = Squashed(
    **BASE,
    handle=bytes(32),
    key_id=bytes(32),
    ct64_digest=bytes(32),
    ct128_digest=bytes(32),
    format=11,
    signer=bytes(20),
    attestation=bytes(65),
)


def test_what_a_failure_says_fits_a_text_column() -> None:
    said = Failed(item="i", attempt=1, worker="w", category="irrecoverable", error="E", message="a\0b")
    found = decode_result(encode_result(said))
    assert isinstance(found, Failed)
    assert found.message == "a\N{REPLACEMENT CHARACTER}b"


def test_bytes_that_are_no_result_are_refused() -> None:
    with pytest.raises(Undecodable):
        decode_result(b"\xff")


@pytest.mark.parametrize(
    "result",
    [
        SQUASHED,
        replace(SQUASHED, signer=b"", attestation=b""),
        Started(item="i" * 200, attempt=0, worker="w" * 200),
        Computed(**BASE, key_id=bytes(32), ciphertexts=()),
        Proven(**BASE, key_id=b"", verified=False),
        Sent(**BASE, transaction_hash=bytes(32), block_number=1),
    ],
)
def test_what_workers_say_reads_back(result: Result) -> None:
    assert decode_result(encode_result(result)) == result


@pytest.mark.parametrize(
    "result",
    [
        Failed(item="i" * 201, attempt=0, worker="w", category="recoverable", error="E", message=""),
        Started(item="i", attempt=0, worker="w" * 201),
        Computed(**BASE, key_id=bytes(4000), ciphertexts=()),
        Proven(**BASE, key_id=bytes(31), verified=False),
        replace(SQUASHED, key_id=bytes(33)),
        replace(SQUASHED, ct64_digest=bytes(31)),
        replace(SQUASHED, ct128_digest=bytes(33)),
        replace(SQUASHED, signer=bytes(32)),
        replace(SQUASHED, attestation=bytes(64)),
        Sent(**BASE, transaction_hash=bytes(31), block_number=1),
    ],
)
def test_what_no_index_can_hold_is_refused(result: Result) -> None:
    with pytest.raises(Undecodable):
        decode_result(encode_result(result))
