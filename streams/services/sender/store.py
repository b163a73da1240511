"""The sender's own table, as a port."""

from typing import Protocol

from streams.domain.transactions import CallState, RefusedCall, Signed, StoredCall


class SenderStore(Protocol):
    """Rows of signing addresses. One holder per address and time; its epoch fences every write.

    Every call raises StoreError when the database is away, every write Fenced when the epoch is not the last.
    """

    async def acquire(self, address: bytes) -> int | None:
        """Become the holder and get a new epoch, or None while somebody else is the holder."""
        ...

    async def release(self, address: bytes) -> None:
        """Let go; does nothing for who is not the holder."""
        ...

    async def find(self, address: bytes, call_hash: bytes) -> StoredCall | None:
        """The row of a call that is signed or confirmed."""
        ...

    async def signed(self, address: bytes) -> list[StoredCall]:
        """Rows in state signed, by nonce."""
        ...

    async def from_nonce(self, address: bytes, nonce: int) -> list[StoredCall]:
        """Rows with that nonce or a higher one, by nonce, the first LINE_MAX.

        Also of calls that were mined or lost their nonce: a reorganisation may take that back.
        """
        ...

    async def made(self, address: bytes, block_number: int) -> list[StoredCall]:
        """Of the newest REVIEW_MAX rows those that were made in that block or a higher one, by nonce.

        Confirmed ones, and those that were lost since.
        """
        ...

    async def next_nonce(self, address: bytes) -> int:
        """One above the highest nonce that was ever stored, 0 without any."""
        ...

    async def insert(self, epoch: int, call: StoredCall) -> None:
        """Take a nonce for a call; raises Fenced also when nonce or call are taken already."""
        ...

    async def renew(self, epoch: int, gone: StoredCall, call: StoredCall) -> None:
        """At once: a confirmed row is lost for good, and its call takes another nonce; raises as `insert`."""
        ...

    async def reopen(self, epoch: int, call: StoredCall) -> StoredCall:
        """A confirmed row is under way again, and tells where it was; raises IllegalTransition for others."""
        ...

    async def refill(self, epoch: int, call: StoredCall, other: StoredCall) -> StoredCall:
        """Another call under the nonce of one that must not be sent, whatever became of it.

        The old hashes are kept. Gives the row.
        """
        ...

    async def replace(self, epoch: int, call: StoredCall, signed: Signed) -> StoredCall:
        """Other bytes, with that gas, for the same nonce and call; the old hash is kept.

        Also of a row that was settled: when a reorganisation opens its nonce again, those behind it wait.
        """
        ...

    async def settle(
        self, epoch: int, call: StoredCall, state: CallState, transaction_hash: bytes, block_number: int
    ) -> None:
        """End the life of a signed row; raises IllegalTransition."""
        ...

    async def refused(self, refused: RefusedCall) -> int:
        """Count a refusal; how often this call was refused, this one included. Not fenced: it only counts."""
        ...

    async def close(self) -> None:
        """Release everything."""
        ...
