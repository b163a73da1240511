"""The sender's table in memory: `SenderTable` is the database, `MemorySenderStore` a process that uses it."""

import msgspec

from streams.domain.errors import Fenced, StoreError
from streams.domain.transactions import (
    LINE_MAX,
    REVIEW_MAX,
    CallState,
    RefusedCall,
    Signed,
    StoredCall,
    call_transition,
)

_OPEN = frozenset({CallState.SIGNED, CallState.CONFIRMED})
_MADE = frozenset({CallState.CONFIRMED, CallState.LOST})


class SenderTable:
    """What is shared and outlives a process."""

    def __init__(self) -> None:
        self.rows: dict[tuple[bytes, int], StoredCall] = {}
        self.epochs: dict[bytes, int] = {}
        self.holders: dict[bytes, MemorySenderStore] = {}
        self.refusals: dict[tuple[bytes, bytes], tuple[int, RefusedCall]] = {}


class MemorySenderStore:
    """The twin of PostgresSenderStore."""

    def __init__(self, table: SenderTable) -> None:
        self._table = table
        self.failures = 0  # calls to answer with StoreError

    async def acquire(self, address: bytes) -> int | None:
        """Become the holder and get a new epoch, or None while somebody else is the holder."""
        self._answer()
        if self._table.holders.setdefault(address, self) is not self:
            return None
        self._table.epochs[address] = self._table.epochs.get(address, 0) + 1
        return self._table.epochs[address]

    async def release(self, address: bytes) -> None:
        """Let go; does nothing for who is not the holder."""
        if self._table.holders.get(address) is self:
            del self._table.holders[address]

    async def find(self, address: bytes, call_hash: bytes) -> StoredCall | None:
        """The row of a call that is signed or confirmed."""
        found = (row for row in self._of(address) if row.call_hash == call_hash and row.state in _OPEN)
        return next(found, None)

    async def signed(self, address: bytes) -> list[StoredCall]:
        """Rows in state signed, by nonce."""
        return [row for row in self._of(address) if row.state is CallState.SIGNED]

    async def from_nonce(self, address: bytes, nonce: int) -> list[StoredCall]:
        """Rows with that nonce or a higher one, by nonce, the first LINE_MAX."""
        return [row for row in self._of(address) if row.nonce >= nonce][:LINE_MAX]

    async def made(self, address: bytes, block_number: int) -> list[StoredCall]:
        """Of the newest REVIEW_MAX rows those that were made in that block or a higher one, by nonce."""
        newest = self._of(address)[-REVIEW_MAX:]
        was_made = (row for row in newest if row.was_made and row.state in _MADE)
        return [row for row in was_made if row.block_number >= block_number]

    async def next_nonce(self, address: bytes) -> int:
        """One above the highest nonce that was ever stored, 0 without any."""
        return max((row.nonce + 1 for row in self._of(address)), default=0)

    async def insert(self, epoch: int, call: StoredCall) -> None:
        """Take a nonce for a call; raises Fenced also when nonce or call are taken already."""
        self._fence(call.address, epoch)
        is_taken = (call.address, call.nonce) in self._table.rows
        if is_taken or await self.find(call.address, call.call_hash) is not None:
            raise Fenced(f"nonce {call.nonce} or its call is taken")
        self._table.rows[call.address, call.nonce] = call

    async def renew(self, epoch: int, gone: StoredCall, call: StoredCall) -> None:
        """At once: a confirmed row is lost for good, and its call takes another nonce; raises as `insert`."""
        before = self._row(epoch, gone, CallState.CONFIRMED)
        lost = call_transition(gone.state, CallState.LOST)
        self._table.rows[gone.address, gone.nonce] = msgspec.structs.replace(
            before, state=lost, transaction_hash=b"", block_number=0
        )
        try:
            await self.insert(epoch, call)
        except Fenced:
            self._table.rows[gone.address, gone.nonce] = before
            raise

    async def reopen(self, epoch: int, call: StoredCall) -> StoredCall:
        """A confirmed row is under way again, and tells where it was; raises IllegalTransition for others."""
        state = call_transition(call.state, CallState.SIGNED)
        row = self._row(epoch, call, CallState.CONFIRMED)
        changed = msgspec.structs.replace(row, state=state)
        self._table.rows[call.address, call.nonce] = changed
        return changed

    async def refill(self, epoch: int, call: StoredCall, other: StoredCall) -> StoredCall:
        """Another call under the nonce of one that must not be sent, whatever became of it."""
        row = self._row(epoch, call)
        changed = msgspec.structs.replace(other, earlier=row.hashes)
        self._table.rows[call.address, call.nonce] = changed
        return changed

    async def replace(self, epoch: int, call: StoredCall, signed: Signed) -> StoredCall:
        """Other bytes, with that gas, for the same nonce and call; the old hash is kept."""
        row = self._row(epoch, call)
        changed = msgspec.structs.replace(row, gas=call.gas, signed=signed, earlier=row.hashes)
        self._table.rows[call.address, call.nonce] = changed
        return changed

    async def settle(
        self, epoch: int, call: StoredCall, state: CallState, transaction_hash: bytes, block_number: int
    ) -> None:
        """End the life of a signed row; raises IllegalTransition."""
        call_transition(call.state, state)
        row = self._row(epoch, call, CallState.SIGNED)
        self._table.rows[call.address, call.nonce] = msgspec.structs.replace(
            row, state=state, transaction_hash=transaction_hash, block_number=block_number
        )

    async def refused(self, refused: RefusedCall) -> int:
        """Count a refusal; how often this call was refused, this time included."""
        self._answer()
        key = refused.address, refused.call_hash
        count = self._table.refusals.get(key, (0, refused))[0] + 1
        self._table.refusals[key] = count, refused
        return count

    async def close(self) -> None:
        """Release everything, as the end of a process does."""
        for address in [held for held, holder in self._table.holders.items() if holder is self]:
            del self._table.holders[address]

    def _of(self, address: bytes) -> list[StoredCall]:
        self._answer()
        rows = self._table.rows
        return [rows[key] for key in sorted(rows) if key[0] == address]

    def _row(self, epoch: int, call: StoredCall, state: CallState | None = None) -> StoredCall:
        self._fence(call.address, epoch)
        row = self._table.rows.get((call.address, call.nonce))
        if row is None or row.call_hash != call.call_hash or state not in (None, row.state):
            raise Fenced(f"nonce {call.nonce} is not ours any more")
        return row

    def _fence(self, address: bytes, epoch: int) -> None:
        self._answer()
        if self._table.epochs.get(address) != epoch:
            raise Fenced("another sender has this address")

    def _answer(self) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreError("the database is away")
