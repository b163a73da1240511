"""How much gas a call is given: the estimate with a margin, and never more than a block has."""

from typing import Final

from streams.services.sender.node import Node

_SMALL: Final = 5_000_000  # no gateway's block has less: not worth a question


class GasPolicy:
    """Gas of transactions, by a margin in per cent of the estimate."""

    def __init__(self, node: Node, percent: int) -> None:
        self._node = node
        self._percent = percent

    def with_margin(self, estimate: int) -> int:
        """Votes in between change the cost."""
        return estimate * self._percent // 100

    async def within(self, gas: int) -> int:
        """That much, or what a block has if that is less; raises RpcError."""
        if gas <= _SMALL:
            return gas
        head = await self._node.head()
        return min(gas, head.gas_limit or gas)
