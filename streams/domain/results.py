"""Results: what workers found out, on `results.v1`, same key and partition count as the facts.

A result names the item and the attempt that it answers. A record is at most 256 KiB; a result with more
ciphertexts comes in several records, and an item is done when all its outputs are stored.
"""

from typing import Final

import msgspec

from streams.domain.errors import Undecodable
from streams.domain.handle import HANDLE_BYTES


class Ciphertext(msgspec.Struct, frozen=True, kw_only=True):
    """A stored ciphertext: one-element compressed list (ct64) under its handle."""

    handle: bytes  # 32
    fhe_type: int
    ct64: bytes


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    item: str
    attempt: int
    worker: str
    version: int = 1


class Started(_Result, frozen=True, kw_only=True, tag="started"):
    """A worker took the item from the pipe; its own timeout runs from here.

    `timeout_ms` is that timeout, longer than the item's own on a slow machine; 0 says nothing.
    """

    timeout_ms: int = 0


class Computed(_Result, frozen=True, kw_only=True, tag="computed"):
    """Outputs of a component, some or all of them."""

    key_id: bytes
    ciphertexts: tuple[Ciphertext, ...]


class Proven(_Result, frozen=True, kw_only=True, tag="proven"):
    """Verdict over an encrypted input: `handles` names all values, `ciphertexts` holds some of them."""

    verified: bool
    key_id: bytes
    handles: tuple[bytes, ...] = ()
    ciphertexts: tuple[Ciphertext, ...] = ()
    reason: str = ""  # why it was rejected
    agreed: tuple[bytes, ...] | None = None  # of a replay, as its work named them


class Squashed(_Result, frozen=True, kw_only=True, tag="squashed"):
    """Both objects of a handle are in the object store, with this attestation."""

    handle: bytes
    key_id: bytes
    ct64_digest: bytes  # keccak256 of the object's body
    ct128_digest: bytes
    format: int  # 10, 11, 20 or 21
    signer: bytes
    attestation: bytes  # 65-byte signature


class Sent(_Result, frozen=True, kw_only=True, tag="sent"):
    """The call is confirmed on the gateway, or was there before (`already`)."""

    transaction_hash: bytes
    block_number: int
    already: bool = False


class Failed(_Result, frozen=True, kw_only=True, tag="failed"):
    """The attempt failed; `category` is that of the error tree and decides what follows."""

    category: str  # recoverable | irrecoverable
    error: str  # class of the error
    message: str


Result = Started | Computed | Proven | Squashed | Sent | Failed

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Result)
# The state's text columns hold no NUL, and what a worker says about its failure may come from anywhere.
_NUL: Final = rb"\u0000"
_REPLACEMENT: Final = rb"\ufffd"
_NAME_CHARS_MAX: Final = 200  # of items and workers: keys of indices, which hold 2,700 bytes
_ID_BYTES: Final = 32  # of a key set, a digest, a transaction
_ADDRESS_BYTES: Final = 20
_SIGNATURE_BYTES: Final = 65
_NUMBER_MAX: Final = (1 << 53) - 1  # added to a time it still is a number of the store


def encode_result(result: Result) -> bytes:
    """Value of the record that carries this result."""
    return _encoder.encode(result)


def decode_result(value: bytes) -> Result:
    """The result in a record's value; raises Undecodable."""
    try:
        result = _decoder.decode(value.replace(_NUL, _REPLACEMENT))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(f"not a result: {error}") from error
    _check(result)
    return result


def _check(result: Result) -> None:
    """Refuse what no row can hold: it would halt the tenant for the defect of one worker."""
    for handle in _handles(result):
        if len(handle) != HANDLE_BYTES:
            raise Undecodable(f"not a result: a handle of {len(handle)} bytes")
    for name in (result.item, result.worker):
        if len(name) > _NAME_CHARS_MAX:
            raise Undecodable(f"not a result: a name of {len(name)} characters")
    for said, size in _words(result):
        # nothing is said of a key set by work without one, and there may be no attestation
        if said and len(said) != size:
            raise Undecodable(f"not a result: {len(said)} bytes in the place of {size}")
    for number in (result.attempt, *_numbers(result)):
        if not 0 <= number <= _NUMBER_MAX:
            raise Undecodable(f"not a result: the number {number}")


def _handles(result: Result) -> tuple[bytes, ...]:
    match result:
        case Computed():
            return tuple(ciphertext.handle for ciphertext in result.ciphertexts)
        case Proven():
            named = (*result.handles, *(result.agreed or ()))
            return (*named, *(ciphertext.handle for ciphertext in result.ciphertexts))
        case Squashed():
            return (result.handle,)
        case _:
            return ()


def _words(result: Result) -> tuple[tuple[bytes, int], ...]:
    """What has a size, with it."""
    match result:
        case Computed() | Proven():
            return ((result.key_id, _ID_BYTES),)
        case Squashed():
            ids = (result.key_id, result.ct64_digest, result.ct128_digest)
            signed = ((result.signer, _ADDRESS_BYTES), (result.attestation, _SIGNATURE_BYTES))
            return (*((id_, _ID_BYTES) for id_ in ids), *signed)
        case Sent():
            return ((result.transaction_hash, _ID_BYTES),)
        case _:
            return ()


def _numbers(result: Result) -> tuple[int, ...]:
    match result:
        case Started():
            return (result.timeout_ms,)
        case Computed() | Proven():
            return tuple(ciphertext.fhe_type for ciphertext in result.ciphertexts)
        case Squashed():
            return (result.format,)
        case _:
            return ()
