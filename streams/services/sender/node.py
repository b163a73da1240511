"""What the sender asks of the gateway's node; every call raises RpcError when it does not answer."""

from collections.abc import Sequence
from typing import Protocol

from streams.adapters.ethereum.chain import Head, Receipt
from streams.domain.facts import Log


class Node(Protocol):
    """The part of EthereumChain that a sender needs."""

    async def head(self) -> Head:
        """The newest block."""
        ...

    async def block(self, number: int) -> Head | None:
        """The block of the node's present branch with this number."""
        ...

    async def blocks(self, numbers: Sequence[int]) -> list[Head | None]:
        """The blocks of the node's present branch with these numbers."""
        ...

    async def logs_since(
        self, first: int, address: bytes, topics: Sequence[bytes], last: int | None = None
    ) -> tuple[Log, ...]:
        """Logs of a contract with these first topics, from a block on to another or to the head, in order."""
        ...

    async def nonce(self, address: bytes, tag: str = "pending") -> int:
        """Next nonce of an account; `latest` counts only what is mined."""
        ...

    async def gas_price(self) -> int:
        """What a unit of gas costs now, in wei."""
        ...

    async def estimate_gas(self, sender: bytes, to: bytes | None, data: bytes) -> int:
        """Gas that a transaction takes now; raises ContractReverted where it would fail."""
        ...

    async def send_raw(self, transaction: bytes) -> bytes:
        """Broadcast; raises RpcRefused with the node's words."""
        ...

    async def receipt(self, transaction_hash: bytes) -> Receipt | None:
        """Receipt of a mined transaction."""
        ...
