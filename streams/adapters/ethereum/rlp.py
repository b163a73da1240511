"""Recursive length prefix: how a transaction is laid out before it is hashed and signed."""

from collections.abc import Sequence
from typing import Union

Item = Union[bytes, int, "Sequence[Item]"]


def encode(item: Item) -> bytes:
    """Canonical encoding of bytes, a number without leading zeros, or a list of items."""
    if isinstance(item, int):
        return encode(item.to_bytes((item.bit_length() + 7) // 8, "big"))
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _prefix(len(item), 0x80) + item
    body = b"".join(encode(part) for part in item)
    return _prefix(len(body), 0xC0) + body


def _prefix(length: int, base: int) -> bytes:
    if length < 56:
        return bytes((base + length,))
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((base + 55 + len(size),)) + size
