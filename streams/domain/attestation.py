"""The signed statement beside every stored ciphertext: which bytes belong to which handle.

Canonical bytes, version 1, 170 in all: `FHEVMCTA`, version (1), handle (32), key id (32), context id (32),
digest of the ct64 object (32), digest of the ct128 object (32, zeros if there is none), format (1). The
signature is over their keccak256 directly, without a prefix, by the registered signer of the coprocessor.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Final

import msgspec

from streams.domain.digest import keccak256
from streams.domain.errors import Undecodable

METADATA_KEY: Final = "ct-attestation"  # S3 user metadata
ATTESTATION_VERSION: Final = 1
CONTEXT_ID: Final = 1  # the only one in production
SIGNATURE_BYTES: Final = 65
NO_CT128_DIGEST: Final = bytes(32)

_MAGIC: Final = b"FHEVMCTA"


class Format(IntEnum):
    """How a ct128 object is encoded."""

    UNCOMPRESSED_ON_CPU = 10
    COMPRESSED_ON_CPU = 11
    UNCOMPRESSED_ON_GPU = 20
    COMPRESSED_ON_GPU = 21

    @property
    def is_compressed(self) -> bool:
        """Whether it is a compressed list of one element, a bare element otherwise, from whatever device."""
        return self in (Format.COMPRESSED_ON_CPU, Format.COMPRESSED_ON_GPU)


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What is attested."""

    handle: bytes
    key_id: bytes
    ct64_digest: bytes
    ct128_digest: bytes = NO_CT128_DIGEST
    format: Format = Format.COMPRESSED_ON_CPU
    context_id: int = CONTEXT_ID


class Attestation(msgspec.Struct, frozen=True):
    """A statement with its signer's address and signature, as object metadata carries it."""

    statement: Statement
    signer: bytes
    signature: bytes


# Names as the protocol has them in the metadata; its `sns_ciphertext` is what is called ct128 here.
class _Wire(msgspec.Struct, frozen=True):
    version: int
    key_id: str
    ciphertext_digest: str
    sns_ciphertext_digest: str
    format: str
    signer: str
    signature: str


def canonical_bytes(statement: Statement) -> bytes:
    """The 170 bytes that are hashed and signed.

    Raises:
        Undecodable: a part does not have 32 bytes.
    """
    parts = (statement.handle, statement.key_id, statement.ct64_digest, statement.ct128_digest)
    # Fields lie side by side without lengths: a part of another size would move all that follow, and two
    # different statements could have the same bytes.
    if any(len(part) != 32 for part in parts):
        raise Undecodable("handle, key id and digests of a statement have 32 bytes each")
    handle, key_id, ct64, ct128 = parts
    context = statement.context_id.to_bytes(32, "big")
    head = _MAGIC + bytes((ATTESTATION_VERSION,))
    return head + handle + key_id + context + ct64 + ct128 + bytes((statement.format,))


def statement_digest(statement: Statement) -> bytes:
    """What the signer signs."""
    return keccak256(canonical_bytes(statement))


def attest(statement: Statement, signer: bytes, sign: Callable[[bytes], bytes]) -> Attestation:
    """Signs a statement; `sign` takes a 32-byte digest to 65 bytes r, s, v."""
    return Attestation(statement, signer, sign(statement_digest(statement)))


def is_genuine(attestation: Attestation, recover: Callable[[bytes, bytes], bytes | None]) -> bool:
    """Whether the named signer signed it; `recover` takes digest and signature to an address or None."""
    return recover(statement_digest(attestation.statement), attestation.signature) == attestation.signer


def to_metadata(attestation: Attestation) -> str:
    """JSON for the object's user metadata; handle and context are in the object's key, not here."""
    statement = attestation.statement
    wire = _Wire(
        version=ATTESTATION_VERSION,
        key_id=_hex(statement.key_id),
        ciphertext_digest=_hex(statement.ct64_digest),
        sns_ciphertext_digest=_hex(statement.ct128_digest),
        # in words here, as a number in the bytes that are signed
        format=statement.format.name.lower(),
        signer=_hex(attestation.signer),
        signature=_hex(attestation.signature),
    )
    return msgspec.json.encode(wire).decode()


def from_metadata(text: str | bytes, handle: bytes, context_id: int = CONTEXT_ID) -> Attestation:
    """Reads the metadata of the object of that handle and context.

    Raises:
        Undecodable: it is no statement of version 1, or a part has another length.
    """
    try:
        wire = msgspec.json.decode(text, type=_Wire)
        format_ = Format[wire.format.upper()]
    except (msgspec.DecodeError, KeyError) as error:
        raise Undecodable("the object's metadata holds no attestation") from error
    if wire.version != ATTESTATION_VERSION:
        raise Undecodable(f"attestation of version {wire.version}, only {ATTESTATION_VERSION} is known")
    # Handle and context come from the object's key and not from the metadata: so a statement that was
    # copied to another object is of another handle, and its signature does not fit.
    statement = Statement(
        handle=handle,
        key_id=_unhex_number(wire.key_id),
        ct64_digest=_unhex(wire.ciphertext_digest, 32),
        ct128_digest=_unhex(wire.sns_ciphertext_digest, 32),
        format=format_,
        context_id=context_id,
    )
    return Attestation(statement, _unhex(wire.signer, 20), _unhex(wire.signature, SIGNATURE_BYTES))


def object_key_ct64(handle: bytes, context_id: int = CONTEXT_ID) -> str:
    """Where the ordinary ciphertext of a handle lies."""
    return f"ct64/{handle.hex()}/{context_id}"


def object_key_ct128(handle: bytes, context_id: int = CONTEXT_ID) -> str:
    """Where the squashed ciphertext of a handle lies."""
    return f"ct128/{handle.hex()}/{context_id}"


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"


def _unhex(text: str, size_bytes: int) -> bytes:
    try:
        value = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise Undecodable("the attestation holds something that is not hex") from error
    if len(value) != size_bytes:
        raise Undecodable(f"{len(value)} bytes in the attestation, {size_bytes} are due")
    return value


def _unhex_number(text: str) -> bytes:
    # Others may write the number without leading zeros.
    return _unhex(text.removeprefix("0x").rjust(64, "0"), 32)
