from typing import cast

import httpx
import pytest

from streams.adapters.ethereum.calls import CommittedMaterial
from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.signer import Signer
from streams.devnet import kms
from streams.domain import attestation
from streams.domain.attestation import Attestation, Statement
from streams.domain.digest import keccak256
from streams.domain.errors import BlobError

HANDLE = bytes.fromhex("ab" * 21 + "ff" + "00" * 6 + "3039" + "0500")
BODY = b"squashed"
OPERATOR = Signer(b"\x11" * 32)
STRANGER = Signer(b"\x22" * 32)
MATERIAL = CommittedMaterial(
    handle=HANDLE,
    key_id=b"\x04".ljust(32, b"\0"),
    ct64_digest=b"\x64" * 32,
    ct128_digest=keccak256(BODY),
    tx_senders=(b"\x01" * 20,),
)


def attested(signer: Signer = OPERATOR, **changes: bytes) -> Attestation:
    said = {
        "handle": HANDLE,
        "key_id": MATERIAL.key_id,
        "ct64_digest": MATERIAL.ct64_digest,
        "ct128_digest": MATERIAL.ct128_digest,
    }
    return attestation.attest(Statement(**(said | changes)), signer.address, signer.sign_digest)


def check(body: bytes = BODY, statement: Attestation | None = None) -> None:
    kms.check(MATERIAL, body, statement or attested(), (OPERATOR.address,))


def test_what_all_agree_on_is_trusted() -> None:
    check()


def test_an_object_of_another_digest_is_not() -> None:
    with pytest.raises(kms.NotTrusted, match="another digest"):
        check(body=b"forged")


@pytest.mark.parametrize("part", ["key_id", "ct64_digest", "ct128_digest"])
def test_an_attestation_of_other_digests_is_not(part: str) -> None:
    with pytest.raises(kms.NotTrusted, match="other digests"):
        check(statement=attested(**{part: b"\x77" * 32}))


def test_an_operator_who_is_not_registered_is_not() -> None:
    with pytest.raises(kms.NotTrusted, match="no registered operator"):
        check(statement=attested(STRANGER))


def test_a_signature_of_somebody_else_is_not() -> None:
    forged = Attestation(attested().statement, OPERATOR.address, attested(STRANGER).signature)
    with pytest.raises(kms.NotTrusted, match="no registered operator"):
        check(statement=forged)


def answering(status: int, body: bytes = BODY, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    def answer(request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        return httpx.Response(status, content=body, headers=headers)

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


async def test_an_object_comes_with_its_attestation() -> None:
    async with answering(200, headers={"x-amz-meta-ct-attestation": "text"}) as http:
        assert await kms.fetch("http://bucket/key", http) == (BODY, "text")


async def test_an_object_that_is_not_there_is_named() -> None:
    async with answering(404) as http:
        with pytest.raises(BlobError, match="http://bucket/key answers 404"):
            await kms.fetch("http://bucket/key", http)


async def test_an_object_may_not_be_larger_than_the_protocol_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kms, "OBJECT_BYTES_MAX", 4)
    async with answering(200) as http:
        with pytest.raises(BlobError, match="larger than 4 bytes"):
            await kms.fetch("http://bucket/key", http)


async def test_a_lost_connection_is_a_blob_error() -> None:
    def lose(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(lose)) as http:
        with pytest.raises(BlobError, match="ConnectError"):
            await kms.fetch("http://bucket/key", http)


@pytest.mark.parametrize(
    ("format_", "is_compressed"),
    [
        (attestation.Format.UNCOMPRESSED_ON_CPU, False),
        (attestation.Format.COMPRESSED_ON_CPU, True),
        (attestation.Format.UNCOMPRESSED_ON_GPU, False),
        (attestation.Format.COMPRESSED_ON_GPU, True),
    ],
)
async def test_an_object_is_read_as_its_attestation_says(
    monkeypatch: pytest.MonkeyPatch, format_: attestation.Format, is_compressed: bool
) -> None:
    async def material(*_: object) -> CommittedMaterial:
        return MATERIAL

    async def signers(*_: object) -> tuple[bytes, ...]:
        return (OPERATOR.address,)

    def opened(ct128: bytes, fhe_type: int, *, compressed: bool) -> int:
        assert (ct128, fhe_type, compressed) == (BODY, 5, is_compressed)
        return 77

    monkeypatch.setattr(kms.calls, "committed_material", material)
    monkeypatch.setattr(kms.calls, "coprocessor_signers", signers)
    statement = Statement(
        handle=HANDLE, key_id=MATERIAL.key_id, ct64_digest=MATERIAL.ct64_digest,
        ct128_digest=MATERIAL.ct128_digest, format=format_,
    )  # fmt: skip
    metadata = attestation.to_metadata(attestation.attest(statement, OPERATOR.address, OPERATOR.sign_digest))
    gateway = kms.Gateway(cast(EthereumChain, None), bytes(20), bytes(20))
    async with answering(200, headers={"x-amz-meta-ct-attestation": metadata}) as http:
        assert (await kms.decrypt(HANDLE, gateway, "http://bucket", http, opened)).value == 77
