"""Rejections whose number was seen not to be of the request that was judged: believed only when it stays so.

A node that lags behind shows the same as a reorganisation. It lacks the newest requests, so that a number is
nobody's; where the branch has just changed it is on the old one, with another's request. It catches up within
seconds. A reorganisation stays:

- another request that has the number keeps it, as blocks go by: seen at two looks, at a later block;
- a number that is nobody's is most often given to the same request again, when its transaction comes into
  the next blocks: waited for, unless another request gets it.

While there is doubt the rejection is not sent, so all behind it wait as well. Nothing says that anybody will
ever ask for a number, or that a chain without our calls makes blocks: so a doubt ends in any case. What
lasted for so long is no lag.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from streams.services.sender.votes import Look, Whose

LOOKS_APART_S: Final = 2.0  # a call that joins looks at once: that is no second look
DOUBT_MAX_S: Final = 120.0  # nodes behind one address are some blocks apart, not minutes


class _Doubt(msgspec.Struct, frozen=True):
    since_s: float
    block: int  # the head of the node at that look


class Doubts:
    """Rejections that are held back, by call hash, with the look that began it."""

    def __init__(self) -> None:
        self._doubts: dict[bytes, _Doubt] = {}

    def __contains__(self, call_hash: bytes) -> bool:
        return call_hash in self._doubts

    def keep(self, call_hashes: Iterable[bytes]) -> None:
        """Forget all others: they do not wait any more."""
        waiting = frozenset(call_hashes)
        self._doubts = {known: doubt for known, doubt in self._doubts.items() if known in waiting}

    def note(self, call_hash: bytes, look: Look, at_s: float) -> bool:
        """Note what a look showed; whether the number is certainly not the judged request's any more."""
        if look.whose is Whose.JUDGED:
            self._doubts.pop(call_hash, None)
            return False
        first = self._doubts.setdefault(call_hash, _Doubt(at_s, look.block))
        doubted_s = at_s - first.since_s
        is_seen_twice = doubted_s >= LOOKS_APART_S and look.block > first.block
        return doubted_s >= DOUBT_MAX_S or (look.whose is Whose.ANOTHERS and is_seen_twice)
