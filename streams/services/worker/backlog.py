"""What is squashed and could not be uploaded: kept, so that no attempt computes it a second time.

It is lost with the process; then the item's next attempt computes it again.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from streams.domain.attestation import Attestation
from streams.domain.work import SquashWork
from streams.services.worker.loop import Emit

BYTES_MAX: Final = 64 << 20  # of both objects; the oldest make room

_log = structlog.get_logger(__name__)
_Name = tuple[bytes, bytes, bytes]


class Squash(msgspec.Struct, frozen=True):
    """A squashed ciphertext with what is said about it."""

    work: SquashWork
    ct128: bytes
    attestation: Attestation

    @property
    def size_bytes(self) -> int:
        return len(self.ct128) + len(self.work.ciphertext.ct64)


class Kept(msgspec.Struct, frozen=True):
    """With the place that its result goes to."""

    squash: Squash
    emit: Emit


class Backlog:
    """By ciphertext and key, the oldest first."""

    def __init__(self, bytes_max: int = BYTES_MAX, on_size: Callable[[int], object] = lambda _: None) -> None:
        self._bytes_max = bytes_max
        self._on_size = on_size
        self._kept: dict[_Name, Kept] = {}

    def keep(self, squash: Squash, emit: Emit) -> None:
        """Remember it, at the cost of the oldest if there are too many; the last attempt counts."""
        self._kept.pop(_name(squash.work), None)
        self._kept[_name(squash.work)] = Kept(squash, emit)
        while sum(kept.squash.size_bytes for kept in self._kept.values()) > self._bytes_max:
            self._kept.pop(next(iter(self._kept)))
            _log.warning("too many are not uploaded", action="backlog_full", kept=len(self._kept))
        self._on_size(len(self._kept))

    def find(self, work: SquashWork) -> Squash | None:
        """What an earlier attempt at the same ciphertext made."""
        kept = self._kept.get(_name(work))
        # other bytes under the same handle would be uploaded under a digest that is not theirs
        if kept is None or kept.squash.work.ciphertext != work.ciphertext:
            return None
        # the new attempt's number goes into the result
        return msgspec.structs.replace(kept.squash, work=work)

    def drop(self, squash: Squash) -> None:
        """It is uploaded."""
        self._kept.pop(_name(squash.work), None)
        self._on_size(len(self._kept))

    def all(self) -> tuple[Kept, ...]:
        """As of now."""
        return tuple(self._kept.values())


def _name(work: SquashWork) -> _Name:
    return work.tenant.encode(), work.key_id, work.ciphertext.handle
