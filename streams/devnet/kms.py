"""The single-party KMS of the devnet: shows what a handle holds and trusts only the gateway and its key.

It reads as a KMS does: digests from the gateway contract, the squashed object over anonymous HTTP, and the
operator's attestation with it. It has no database and no credentials.
"""

from collections.abc import Mapping
from typing import Final, Protocol

import httpx
import msgspec

from streams.adapters.ethereum import calls
from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.signer import recover
from streams.domain import attestation
from streams.domain.attestation import Attestation
from streams.domain.digest import keccak256
from streams.domain.errors import BlobError, Irrecoverable
from streams.domain.handle import parse_handle

OBJECT_BYTES_MAX: Final = 66 * 1024 * 1024  # the protocol's limit of a ct128 object
TIMEOUT_S: Final = 30.0

_OK: Final = 200

_METADATA_HEADER: Final = f"x-amz-meta-{attestation.METADATA_KEY}"


class Decrypt(Protocol):
    """The clear value of a squashed object of that type."""

    def __call__(self, ct128: bytes, fhe_type: int, *, compressed: bool) -> int: ...


class NotCommitted(BlobError):
    """The gateway has no digests for this handle yet."""


class NotTrusted(Irrecoverable):
    """The object or its attestation is not what the gateway agreed on."""


class Gateway(msgspec.Struct, frozen=True):
    """What is read from the gateway chain."""

    chain: EthereumChain
    ciphertext_commits: bytes
    gateway_config: bytes


class Decrypted(msgspec.Struct, frozen=True):
    """A handle's clear value and what it was read from."""

    handle: bytes
    fhe_type: int
    value: int
    key_id: bytes
    ct128_digest: bytes
    size_bytes: int


async def decrypt(
    handle: bytes, gateway: Gateway, bucket_url: str, http: httpx.AsyncClient, decrypt_object: Decrypt
) -> Decrypted:
    """The clear value of a handle, out of the squashed object.

    Raises: NotCommitted, BlobError, NotTrusted; Undecodable for what is no handle.
    """
    fhe_type = parse_handle(handle).fhe_type
    material = await calls.committed_material(gateway.chain, gateway.ciphertext_commits, handle)
    if material is None:
        raise NotCommitted(f"the gateway has no digests for 0x{handle.hex()} yet")
    body, metadata = await fetch(f"{bucket_url}/{attestation.object_key_ct128(handle)}", http)
    signers = await calls.coprocessor_signers(gateway.chain, gateway.gateway_config)
    attested = attestation.from_metadata(metadata, handle)
    check(material, body, attested, signers)
    return Decrypted(
        handle=handle,
        fhe_type=fhe_type,
        value=decrypt_object(body, fhe_type, compressed=attested.statement.format.is_compressed),
        key_id=material.key_id,
        ct128_digest=material.ct128_digest,
        size_bytes=len(body),
    )


def check(
    material: calls.CommittedMaterial, body: bytes, attested: Attestation, signers: tuple[bytes, ...]
) -> None:
    """Raises NotTrusted unless object, attestation and gateway say the same."""
    statement = attested.statement
    said = (statement.key_id, statement.ct64_digest, statement.ct128_digest)
    if keccak256(body) != material.ct128_digest:
        raise NotTrusted(f"the object of 0x{material.handle.hex()} has another digest than the gateway's")
    if said != (material.key_id, material.ct64_digest, material.ct128_digest):
        raise NotTrusted(f"the attestation of 0x{material.handle.hex()} is about other digests")
    if attested.signer not in signers or not attestation.is_genuine(attested, recover):
        raise NotTrusted(f"no registered operator attests 0x{material.handle.hex()}")


async def fetch(url: str, http: httpx.AsyncClient) -> tuple[bytes, str]:
    """Body and attestation text of a public object; raises BlobError, also when it is too large."""
    try:
        async with http.stream("GET", url, timeout=TIMEOUT_S) as response:
            if response.status_code != _OK:
                raise BlobError(f"{url} answers {response.status_code}")
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > OBJECT_BYTES_MAX:
                    raise BlobError(f"{url} is larger than {OBJECT_BYTES_MAX} bytes")
            return bytes(body), _attestation_text(response.headers)
    except httpx.HTTPError as error:
        raise BlobError(f"{url}: {type(error).__name__}") from error


def _attestation_text(headers: Mapping[str, str]) -> str:
    return headers.get(_METADATA_HEADER, "")
