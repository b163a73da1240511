"""From a broadcast to finality, however long that takes: the line is looked after meanwhile."""

from collections.abc import Callable
from typing import Final

import msgspec

from streams.adapters.ethereum.chain import Receipt
from streams.domain.errors import Recoverable
from streams.domain.transactions import StoredCall
from streams.ports import Clock
from streams.services.sender.branch import Branch
from streams.services.sender.line import LOOK_AGAIN_S, Line
from streams.services.sender.node import Node
from streams.services.sender.store import SenderStore

POLL_S: Final = 0.2
_LOST_LOOKS: Final = 3  # a node behind another may know the nonce before the receipt


class NonceLost(Recoverable):
    """Another transaction used the nonce of a call."""


class CallWithdrawn(Recoverable):
    """Its nonce was given to an empty transaction: the request that it would reject is another one now."""


class Watched(msgspec.Struct):
    """A call on its way."""

    call: StoredCall
    looked_s: float
    lost_looks: int = 0


class Watch:
    """Waits for the calls of one address."""

    def __init__(
        self, store: SenderStore, node: Node, line: Line, branch: Branch, confirmations: int, clock: Clock
    ) -> None:
        self._store = store
        self._node = node
        self._line = line
        self._branch = branch
        self._confirmations = confirmations
        self._clock = clock

    async def final(self, call: StoredCall, epoch: int, on_broadcast: Callable[[], None]) -> Receipt:
        """Broadcast; then the receipt below so many blocks, of whichever version was mined.

        Raises: NonceLost, CallWithdrawn, Fenced, RpcError, StoreError, ConfigurationError.
        """
        await self._line.join(call, epoch)
        on_broadcast()
        watched = Watched(call, self._clock.monotonic_s())
        while True:
            receipt = await self.receipt(watched.call)
            # Not the first receipt counts but one that is below enough blocks: until then a reorganisation
            # may take it.
            if receipt is not None and await self.is_final(receipt):
                self._line.leave()
                return receipt
            now_s = self._clock.monotonic_s()
            if receipt is None and now_s - watched.looked_s >= LOOK_AGAIN_S:
                watched.looked_s = now_s
                await self._look(watched, epoch)
            await self._clock.sleep(POLL_S)

    async def receipt(self, call: StoredCall) -> Receipt | None:
        """Receipt of any version of a call."""
        # any version may be the one that was mined, also one that was replaced
        for transaction_hash in call.hashes:
            found = await self._node.receipt(transaction_hash)
            if found is not None:
                return found
        return None

    async def is_final(self, receipt: Receipt) -> bool:
        """Whether enough blocks are above it, and it is still on the node's branch."""
        head = await self._node.head()
        if head.number < receipt.block_number + self._confirmations:
            return False
        # the receipt may be of a branch that is gone
        block = await self._node.block(receipt.block_number)
        if block is None or block.hash != receipt.block_hash:
            return False
        self._branch.note(block.number, block.hash)
        return True

    async def _look(self, watched: Watched, epoch: int) -> None:
        call = watched.call
        newest = await self._store.find(call.address, call.call_hash)
        if newest is None:
            raise CallWithdrawn
        if newest.nonce == call.nonce:  # whoever looked last may have replaced it
            watched.call = newest
        mined = await self._node.nonce(call.address, "latest")
        if mined > call.nonce:
            await self._count_lost(watched)
            return
        watched.lost_looks = 0
        await self._line.tend(epoch)

    async def _count_lost(self, watched: Watched) -> None:
        if await self.receipt(watched.call) is not None:
            return
        watched.lost_looks += 1
        if watched.lost_looks >= _LOST_LOOKS:
            self._line.foreign(watched.call, "was mined")
            raise NonceLost(f"nonce {watched.call.nonce} was used by another transaction")
