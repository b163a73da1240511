"""From a broadcast to finality: bytes are repeated when they vanish and replaced when they are too cheap."""

from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from streams.adapters.ethereum.chain import Receipt
from streams.adapters.ethereum.signer import Signer
from streams.domain.errors import Recoverable
from streams.domain.transactions import StoredCall
from streams.ports import Clock
from streams.services.sender.broadcast import Broadcast, broadcast, raised_fees, sign
from streams.services.sender.node import Node
from streams.services.sender.store import SenderStore

_log = structlog.get_logger(__name__)

POLL_S: Final = 0.2
LOOK_AGAIN_S: Final = 3.0  # without a receipt: are the bytes still there?
REPLACE_S: Final = 20.0  # first in line and not mined
_LOST_LOOKS: Final = 3  # a node behind another may know the nonce before the receipt


class NotMined(Recoverable):
    """The call was not final in time; its bytes are stored and go on."""


class NonceLost(Recoverable):
    """Another transaction used the nonce of a call."""


class Watched(msgspec.Struct):
    """A call on its way."""

    call: StoredCall
    since_s: float  # when these bytes were first broadcast by this watch
    looked_s: float
    lost_looks: int = 0


class Watch:
    """Waits for the calls of one address."""

    def __init__(
        self, store: SenderStore, node: Node, signer: Signer, chain_id: int, confirmations: int, clock: Clock
    ) -> None:
        self._store = store
        self._node = node
        self._signer = signer
        self._chain_id = chain_id
        self._confirmations = confirmations
        self._clock = clock

    async def final(
        self, call: StoredCall, epoch: int, deadline_s: float, on_broadcast: Callable[[], None]
    ) -> Receipt:
        """Broadcast; then the receipt below so many blocks, of whichever version was mined.

        Raises: NotMined, NonceLost, Fenced, RpcError, StoreError.
        """
        now_s = self._clock.monotonic_s()
        watched = Watched(call, now_s, now_s)
        await self._give(watched, epoch)
        on_broadcast()
        while True:
            receipt = await self.receipt(watched.call)
            if receipt is not None and await self.is_final(receipt):
                return receipt
            now_s = self._clock.monotonic_s()
            if now_s >= deadline_s:
                raise NotMined
            if receipt is None and now_s - watched.looked_s >= LOOK_AGAIN_S:
                await self._look(watched, epoch, now_s)
            await self._clock.sleep(POLL_S)

    async def receipt(self, call: StoredCall) -> Receipt | None:
        """Receipt of any version of a call."""
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
        block = await self._node.block(receipt.block_number)
        return block is not None and block.hash == receipt.block_hash

    async def repeat(self, address: bytes, first: int, last: int | None = None) -> None:
        """Broadcast again what is stored from a nonce on: the node may have lost any of it."""
        for call in await self._store.from_nonce(address, first):
            if last is None or call.nonce <= last:
                await broadcast(self._node, call)

    async def _look(self, watched: Watched, epoch: int, now_s: float) -> None:
        watched.looked_s = now_s
        call = watched.call
        mined = await self._node.nonce(call.address, "latest")
        if mined > call.nonce:
            await self._count_lost(watched)
            return
        watched.lost_looks = 0
        await self.repeat(call.address, mined, call.nonce)
        if mined == call.nonce and now_s - watched.since_s >= REPLACE_S:
            await self._replace(watched, epoch)

    async def _count_lost(self, watched: Watched) -> None:
        if await self.receipt(watched.call) is not None:
            return
        watched.lost_looks += 1
        if watched.lost_looks >= _LOST_LOOKS:
            raise NonceLost(f"nonce {watched.call.nonce} was used by another transaction")

    async def _give(self, watched: Watched, epoch: int) -> None:
        if await broadcast(self._node, watched.call) is Broadcast.CHEAP:
            await self._replace(watched, epoch)

    async def _replace(self, watched: Watched, epoch: int) -> None:
        """Higher fees for the same nonce and call, stored before they are broadcast."""
        call = watched.call
        fees = raised_fees(call.signed, await self._node.gas_price())
        signed = sign(self._signer, self._chain_id, call.nonce, call.gas, call.to, call.data, fees)
        watched.call = await self._store.replace(epoch, call, signed)
        watched.since_s = self._clock.monotonic_s()
        _log.warning("call replaced", action="call_replaced", nonce=call.nonce, max_fee=signed.max_fee)
        await broadcast(self._node, watched.call)
