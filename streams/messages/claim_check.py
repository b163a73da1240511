"""Claim check of work messages: a value above the limit lies in the object store, the record says where.

Objects are named by their digest and immutable, so storing one twice is harmless and a reader can prove what
it got.
"""

import hashlib
from typing import Final

import msgspec

from streams.domain.errors import BlobError, Irrecoverable, Undecodable
from streams.messages import headers
from streams.ports import Blobs, Headers, Record

INLINE_BYTES_MAX: Final = 256 * 1024
OBJECT_BYTES_MAX: Final = 64 * 1024 * 1024  # twice the largest input with its frame; nothing larger is real
_FOLDER: Final = "work"


class ClaimCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Value of a record whose message lies in the object store."""

    bucket: str
    key: str
    sha256: bytes
    size_bytes: int


_decoder = msgspec.json.Decoder(ClaimCheck)


async def close(blobs: Blobs, bucket: str, value: bytes, found: Headers) -> tuple[bytes, Headers]:
    """Value and headers to send: the same, or a claim check after the object was stored.

    Raises: BlobError, Irrecoverable when no reader would take it.
    """
    if len(value) <= INLINE_BYTES_MAX:
        return value, found
    if len(value) > OBJECT_BYTES_MAX:
        raise Irrecoverable(f"a work message of {len(value)} bytes")
    sha256 = hashlib.sha256(value).digest()
    check = ClaimCheck(bucket=bucket, key=f"{_FOLDER}/{sha256.hex()}", sha256=sha256, size_bytes=len(value))
    await blobs.put(check.bucket, check.key, value)
    return msgspec.json.encode(check), (*found, (headers.CLAIM_CHECK, b"1"))


async def open(blobs: Blobs, record: Record) -> bytes:  # noqa: A001  # the pair of `close`
    """The message of a record, from the object store when it lies there.

    Raises: BlobError when the object is not there (yet), Undecodable when it is another one.
    """
    value = record.value or b""
    if headers.get(record.headers, headers.CLAIM_CHECK) is None:
        return value
    check = _decode(value)
    blob = await blobs.get(check.bucket, check.key, size_bytes_max=check.size_bytes)
    if blob is None:
        raise BlobError(f"{check.bucket}/{check.key} is not in the object store")
    if len(blob.body) != check.size_bytes or hashlib.sha256(blob.body).digest() != check.sha256:
        raise Undecodable(f"{check.bucket}/{check.key} is not what its record says")
    return blob.body


def _decode(value: bytes) -> ClaimCheck:
    try:
        check = _decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(f"not a claim check: {error}") from error
    if not 0 < check.size_bytes <= OBJECT_BYTES_MAX:
        raise Undecodable(f"a claim check of {check.size_bytes} bytes")
    return check
