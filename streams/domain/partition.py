"""Partition of a key, as Java's default partitioner and every producer of a deployment compute it."""

from typing import Final

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_R: Final = 24
_U32: Final = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """MurmurHash2 of Kafka, as an unsigned 32-bit number."""
    size = len(key)
    value = (_SEED ^ size) & _U32
    whole = size & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(key[at : at + 4], "little") * _M & _U32
        word = (word ^ word >> _R) * _M & _U32
        value = value * _M & _U32 ^ word
    # the last one to three bytes, little-endian as well
    if size > whole:
        value = (value ^ int.from_bytes(key[whole:], "little")) * _M & _U32
    value = (value ^ value >> 13) * _M & _U32
    return value ^ value >> 15


def partition_of(key: bytes, count: int) -> int:
    """Partition among `count` of a key; the sign bit is cleared, not negated, as in Java."""
    return (murmur2(key) & 0x7FFFFFFF) % count
