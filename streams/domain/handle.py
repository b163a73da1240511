"""Handles: the 32-byte names of encrypted values.

bytes  0-20  first bytes of a keccak256 digest
byte   21    position in an input list, or 0xff for a computed value
bytes 22-29  host chain id, big-endian
byte   30    type
byte   31    version, 0
"""

from typing import Final

import msgspec

from streams.domain.digest import keccak256
from streams.domain.errors import Undecodable

HANDLE_BYTES: Final = 32
HANDLE_VERSION: Final = 0
COMPUTED_INDEX: Final = 0xFF
INPUT_INDEX_MAX: Final = 254  # 0xff marks computed values

_PREFIX_BYTES: Final = 21
_INPUT_LIST_DOMAIN: Final = b"ZK-w_rct"
_INPUT_HANDLE_DOMAIN: Final = b"ZK-w_hdl"


class Handle(msgspec.Struct, frozen=True):
    """A handle in its parts; `raw` is the identity."""

    raw: bytes

    @property
    def index(self) -> int:
        return self.raw[21]

    @property
    def chain_id(self) -> int:
        return int.from_bytes(self.raw[22:30], "big")

    @property
    def fhe_type(self) -> int:
        return self.raw[30]

    @property
    def version(self) -> int:
        return self.raw[31]

    @property
    def is_computed(self) -> bool:
        return self.index == COMPUTED_INDEX

    def hex(self) -> str:
        """Lower-case text without 0x, as object keys carry it."""
        return self.raw.hex()

    def __str__(self) -> str:
        return f"0x{self.raw.hex()}"


def is_computed(raw: bytes) -> bool:
    """Whether these bytes name the result of an operation, and not a value of an encrypted input."""
    return raw[_PREFIX_BYTES : _PREFIX_BYTES + 1] == bytes((COMPUTED_INDEX,))


def parse_handle(raw: bytes) -> Handle:
    """Takes a handle of the layout above.

    Raises:
        Undecodable: it has another length or another version.
    """
    if len(raw) != HANDLE_BYTES:
        raise Undecodable(f"a handle has {HANDLE_BYTES} bytes, not {len(raw)}")
    if raw[31] != HANDLE_VERSION:
        raise Undecodable(f"handle {raw.hex()} has version {raw[31]}, only {HANDLE_VERSION} is known")
    return Handle(raw)


def parse_handle_text(text: str) -> Handle:
    """Takes a handle as people write it: 64 hex digits, 0x or not.

    Raises:
        Undecodable: it is not that.
    """
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise Undecodable(f"not a handle: {text!r}") from error
    return parse_handle(raw)


def stamp(digest: bytes, index: int, chain_id: int, fhe_type: int) -> bytes:
    """Writes index, chain, type and version over the end of a digest.

    Raises:
        Undecodable: a part does not fit its place.
    """
    try:
        tail = bytes((index,)) + chain_id.to_bytes(8, "big") + bytes((fhe_type, HANDLE_VERSION))
    except (ValueError, OverflowError) as error:
        raise Undecodable(f"no handle for index {index}, chain {chain_id}, type {fhe_type}") from error
    # Metadata replaces the digest's end: 168 bits of it are left, far beyond any collision.
    return digest[:_PREFIX_BYTES] + tail


def blob_hash(ciphertext: bytes) -> bytes:
    """Identity of an encrypted input list: over its bytes exactly as the request carries them."""
    return keccak256(_INPUT_LIST_DOMAIN + ciphertext)


def input_handle(blob: bytes, index: int, acl: bytes, chain_id: int, fhe_type: int) -> bytes:
    """Handle of one value of an encrypted input list.

    Args:
        blob: `blob_hash` of the list.
        acl: 20-byte address of the host chain's ACL contract.

    Raises:
        Undecodable: the index is not that of an input, or a part does not fit.
    """
    if not 0 <= index <= INPUT_INDEX_MAX:
        raise Undecodable(f"an input list has no position {index}")
    if len(blob) != 32 or len(acl) != 20:
        raise Undecodable("the blob hash has 32 bytes and the ACL's address 20")
    # The chain id has 32 bytes in the preimage and 8 in the handle: the contract hashes it as a uint256.
    preimage = _INPUT_HANDLE_DOMAIN + blob + bytes((index,)) + acl + chain_id.to_bytes(32, "big")
    return stamp(keccak256(preimage), index, chain_id, fhe_type)
