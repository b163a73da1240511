"""The nonce of a new call, and how far a node is believed that counts more than we signed."""

from typing import Final

from streams.domain.errors import RpcError
from streams.services.sender.alarms import Alarm, Alarms
from streams.services.sender.node import Node
from streams.services.sender.store import SenderStore

AHEAD_MAX: Final = 64  # transactions of one account that a node keeps behind what is mined


class NonceAhead(RpcError):
    """The node counts more transactions of ours than there can be."""


class Nonces:
    """Nonces of one address."""

    def __init__(self, store: SenderStore, node: Node, address: bytes, alarms: Alarms) -> None:
        self._store = store
        self._node = node
        self._address = address
        self._alarms = alarms

    async def next(self) -> int:
        """The nonce that nobody has; raises NonceAhead, RpcError, StoreError."""
        stored = await self._store.next_nonce(self._address)
        # The larger of the two: the table knows what was never broadcast, the node what somebody else sent.
        pending = await self._node.nonce(self._address, "pending")
        if pending > stored:
            await self._require_credible(stored, pending)
        self._alarms.clear(Alarm.NONCE_AHEAD)
        return max(stored, pending)

    async def _require_credible(self, stored: int, pending: int) -> None:
        """A call under a nonce that is far too high would never be mined, nor any behind it."""
        mined = await self._node.nonce(self._address, "latest")
        if pending <= max(stored, mined) + AHEAD_MAX:
            return
        told = (
            f"the node counts {pending} transactions, {mined} of them mined; we signed up to nonce {stored}"
        )
        self._alarms.sound(Alarm.NONCE_AHEAD, told)
        raise NonceAhead(told)
