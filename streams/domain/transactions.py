"""Transactions of the sender: every one that it ever signed, under address and nonce."""

from enum import StrEnum
from typing import Final

import msgspec

from streams.domain.errors import IllegalTransition

LINE_MAX: Final = 1024  # rows that are looked at together; after a deep reorganisation the others follow
REVIEW_MAX: Final = 4096  # newest rows among which a reorganisation is looked for
FILLER: Final = "filler"  # item of a transaction that only uses its nonce


class CallState(StrEnum):
    """Life of a signed call."""

    SIGNED = "signed"  # stored; the node may have it
    CONFIRMED = "confirmed"  # mined below so many blocks, it succeeded
    REVERTED = "reverted"  # mined and refused: its nonce is used, its call was not made
    LOST = "lost"  # its nonce is used, not by it: it never was, or its block is on no branch any more


# A call that was lost or refused is made again under another nonce, as another row. One that was made is
# under way again when a reorganisation took its block and left its nonce free; else it is lost.
_TRANSITIONS: Final[dict[CallState, frozenset[CallState]]] = {
    CallState.SIGNED: frozenset({CallState.CONFIRMED, CallState.REVERTED, CallState.LOST}),
    CallState.CONFIRMED: frozenset({CallState.SIGNED, CallState.LOST}),
    CallState.REVERTED: frozenset(),
    CallState.LOST: frozenset(),
}


def call_transition(old: CallState, new: CallState) -> CallState:
    """The new state; raises IllegalTransition when the life cycle does not have that step."""
    if new not in _TRANSITIONS[old]:
        raise IllegalTransition(f"a signed call cannot go from {old} to {new}")
    return new


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that may be broadcast, with the fees that they offer per gas."""

    raw: bytes
    hash: bytes
    max_fee: int
    priority_fee: int


class StoredCall(msgspec.Struct, frozen=True, kw_only=True):
    """A row: one nonce, one call, the newest bytes and the hashes of the replaced ones."""

    address: bytes
    nonce: int
    call_hash: bytes
    item: str
    tenant: str
    to: bytes
    data: bytes
    gas: int
    signed: Signed
    earlier: tuple[bytes, ...] = ()
    state: CallState = CallState.SIGNED
    block_number: int = 0  # in which it was made, also when that block has gone; 0 when it never was
    transaction_hash: bytes = b""  # of the version that was mined

    @property
    def was_made(self) -> bool:
        """Whether it was final once: nobody asks for it again, whatever became of its block."""
        return self.block_number > 0

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """Every hash under which this call may be mined, the newest first."""
        return (self.signed.hash, *self.earlier)


class RefusedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that the contract refused, with its last reason."""

    address: bytes
    call_hash: bytes
    item: str
    tenant: str
    error: str
