"""A header's logs bloom: 2048 bits, of which each log sets three for its address and three for each topic.

It never denies what is there, and it may claim what is not. So it shows logs of another block, and that all
logs of a contract are missing; see Wood, "Ethereum: a secure decentralised generalised transaction ledger",
4.3.1.
"""

import functools
from collections.abc import Iterable
from typing import Final

from streams.domain.digest import keccak256
from streams.domain.facts import Log

BLOOM_BYTES: Final = 256
_BIT_MASK: Final = 2047
_ITEMS_KEPT: Final = 4096  # contracts, event topics and callers repeat


def bloom_of(logs: Iterable[Log]) -> bytes:
    """The bloom of exactly these logs."""
    bits = 0
    for log in logs:
        for item in (log.address, *log.topics):
            bits |= _bits(item)
    return bits.to_bytes(BLOOM_BYTES, "big")


def may_hold(bloom: bytes, item: bytes) -> bool:
    """Whether logs with this address or topic may be among the block's; False is certain."""
    bits = _bits(item)
    return int.from_bytes(bloom, "big") & bits == bits


def explains(logs: Iterable[Log], bloom: bytes) -> bool:
    """Whether these logs set every bit of the bloom; nodes may add logs that no bloom has."""
    return not int.from_bytes(bloom, "big") & ~int.from_bytes(bloom_of(logs), "big")


@functools.lru_cache(maxsize=_ITEMS_KEPT)
def _bits(item: bytes) -> int:
    digest, bits = keccak256(item), 0
    # the low eleven bits of the first three pairs of bytes (Yellow Paper 4.3.1)
    for at in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[at : at + 2], "big") & _BIT_MASK)
    return bits
