"""The script of the demonstration and the balances that it must end with, kept in the clear beside the chain.

Amounts are chosen so that the end does not depend on the order in which transactions are mined: no honest
transfer can lack funds, and the excessive one exceeds all there is.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

UINT64_MAX: Final = 2**64 - 1
_AMOUNTS: Final = (11, 29, 7, 53, 17)  # of honest transfers, in turns
_FUNDED: Final = 0  # the user that has all tokens at first: each mint costs as much as a transfer
_LEFT: Final = 1_000  # what that user still has at the end


class Kind(StrEnum):
    """What is special about a transfer."""

    HONEST = "honest"
    EXCESSIVE = "excessive"  # more than the balance: moves nothing, and nobody can see that
    FOREIGN = "foreign"  # the proof was made for another user: the gateway says no


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer between users, named by their numbers."""

    number: int
    sender: int
    receiver: int
    amount: int
    kind: Kind = Kind.HONEST


class Mint(msgspec.Struct, frozen=True):
    """New tokens for a user."""

    receiver: int
    amount: int


class Script(msgspec.Struct, frozen=True):
    """All that is done."""

    users: int
    mints: tuple[Mint, ...]
    transfers: tuple[Transfer, ...] = ()

    def supply(self) -> int:
        """The sum of all balances, at every time after the mints."""
        return sum(mint.amount for mint in self.mints)

    def balances(self) -> tuple[int, ...]:
        """What each user must have at the end."""
        held = [0] * self.users
        for mint in self.mints:
            held[mint.receiver] += mint.amount
        for transfer in self.transfers:
            if transfer.kind is Kind.HONEST:
                held[transfer.sender] -= transfer.amount
                held[transfer.receiver] += transfer.amount
        return tuple(held)


def write(transfers: int, users: int) -> Script:
    """A script with that many honest transfers, an excessive one and a foreign one."""
    honest = [_honest(number, users) for number in range(transfers)]
    needed = sum(transfer.amount for transfer in honest)
    mints = (Mint(_FUNDED, _LEFT + needed),)
    supply = mints[0].amount
    special = (
        Transfer(number=transfers, sender=_FUNDED, receiver=1, amount=supply + 1, kind=Kind.EXCESSIVE),
        Transfer(number=transfers + 1, sender=1, receiver=2, amount=1, kind=Kind.FOREIGN),
    )
    return Script(users, mints, (*honest, *special))


def _honest(number: int, users: int) -> Transfer:
    # Only the funded user sends, so that no transfer waits for an earlier one.
    receiver = 1 + number % (users - 1)
    return Transfer(number=number, sender=_FUNDED, receiver=receiver, amount=_AMOUNTS[number % len(_AMOUNTS)])


class Line(msgspec.Struct, frozen=True):
    """One balance, as it must be and as it was decrypted; without a handle where nobody ever paid in."""

    name: str
    handle: bytes
    expected: int
    decrypted: int | None

    @property
    def is_equal(self) -> bool:
        return self.expected == self.decrypted


def compare(
    names: Sequence[str],
    handles: Sequence[bytes],
    expected: Sequence[int],
    decrypted: Sequence[int | None],
) -> tuple[Line, ...]:
    """The table of the end."""
    return tuple(map(Line, names, handles, expected, decrypted))
