"""What was made is looked at again: a reorganisation may take it, and no work item asks for it any more.

A look costs a question or two while the branch is the same. When it has changed, every call that was settled
within so many blocks has its receipt read again. A call that is gone is under way again where its nonce is
free, with the same bytes; so is one that is in another block now, until enough blocks are above that one.
Where the nonce is used, or the new branch refused the call, the contract is asked and the call made anew. The
contract has the last word: what it has already is not made twice.
"""

from collections.abc import Container

from streams.adapters.ethereum.chain import Receipt
from streams.domain.transactions import FILLER, CallState, StoredCall
from streams.services.sender.branch import Branch
from streams.services.sender.node import Node
from streams.services.sender.store import SenderStore
from streams.services.sender.watch import Watch


class Review:
    """Settled calls of one address, as far below the head as a reorganisation may go."""

    def __init__(
        self,
        store: SenderStore,
        node: Node,
        watch: Watch,
        branch: Branch,
        address: bytes,
        blocks: int,
        in_hand: Container[bytes],
    ) -> None:
        """Args: blocks: what was settled deeper than that is final. in_hand: hashes of calls."""
        self._store = store
        self._node = node
        self._watch = watch
        self._branch = branch
        self._address = address
        self._blocks = blocks
        self._in_hand = in_hand
        self._taken: dict[bytes, StoredCall] = {}  # by call hash
        self._first_block = 0

    async def due(self) -> list[StoredCall]:
        """Calls that nobody has in hand and that are not made; raises RpcError, StoreError."""
        head = await self._node.head()
        self._first_block = head.number - self._blocks
        if await self._branch.has_moved():
            await self._look(self._first_block)
        self._branch.looked(head)
        under_way = {row.call_hash: row for row in await self._store.signed(self._address)}
        # what was taken says in which block it was made; its row may be a new one since
        rows = (under_way | self._taken).values()
        return [row for row in rows if row.item != FILLER and row.call_hash not in self._in_hand]

    def is_past(self, call: StoredCall) -> bool:
        """Whether it was made, if ever, deeper than a reorganisation went at the last look."""
        return call.block_number < self._first_block

    def take(self, call: StoredCall) -> None:
        """A call that was made is not any more: it is due until it has ended."""
        self._taken[call.call_hash] = call

    def ended(self, call: StoredCall) -> None:
        """A call that was due is made, or given up."""
        self._taken.pop(call.call_hash, None)

    async def standing(self, call: StoredCall, epoch: int) -> StoredCall | None:
        """The row of a call that is made or under way, if need be again; None when it has to be made anew.

        Raises: Fenced, RpcError, StoreError.
        """
        if call.state is CallState.SIGNED or await self._is_final(call):
            return call
        receipt = await self._watch.receipt(call)
        if receipt is None and await self._node.nonce(self._address, "latest") > call.nonce:
            return None
        if receipt is not None and not receipt.is_success:
            return None
        return call if _is_as_told(call, receipt) else await self._store.reopen(epoch, call)

    async def _look(self, first_block: int) -> None:
        for row in await self._store.made(self._address, first_block):
            if row.state is CallState.LOST or not _is_as_told(row, await self._watch.receipt(row)):
                self.take(row)

    async def _is_final(self, call: StoredCall) -> bool:
        if call.call_hash in self._taken:  # it may have waited for its turn until it was deep
            return False
        head = await self._node.head()
        return call.block_number < head.number - self._blocks


def _is_as_told(row: StoredCall, receipt: Receipt | None) -> bool:
    """Whether the call is made where its row says: how deep it lies is counted from there."""
    if receipt is None or not receipt.is_success:
        return False
    return (receipt.transaction_hash, receipt.block_number) == (row.transaction_hash, row.block_number)
