"""Rejections: each names its request by number alone, and a reorganisation gives numbers anew.

The contract cannot tell: `rejectProofResponse` carries nothing of what was asked. (A vote for handles is
signed over the request, and refused when that is another one.) So each is compared whenever it is sent: the
id of its item is a digest of what was asked, and the request which has the number on the node's branch must
give the same id. Only blocks that a reorganisation may take are searched: a request below them is the one
that it always was. A number that is not given yet may be given to anybody while the rejection waits for its
block.
"""

from collections.abc import Awaitable
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from streams.adapters.ethereum import calls
from streams.adapters.ethereum.errors import ContractReverted
from streams.adapters.ethereum.span import Span, pages
from streams.domain.errors import UndecodableLog
from streams.domain.events import VerifyProofRequest, decode_gateway_log
from streams.domain.facts import Log
from streams.domain.gateway_events import VERIFY_PROOF_REQUEST_TOPIC
from streams.domain.requests import item_that_answers
from streams.services.sender.node import Node

_NOT_REQUESTED: Final = "VerifyProofNotRequested"


class Asking(Protocol):
    """What asks for a call."""

    @property
    def item(self) -> str:
        """Id of the work item."""
        ...

    @property
    def tenant(self) -> str:
        """Whose it is."""
        ...


class Calling(Protocol):
    """What a transaction calls."""

    @property
    def to(self) -> bytes:
        """The contract."""
        ...

    @property
    def data(self) -> bytes:
        """Selector and arguments."""
        ...


class Whose(StrEnum):
    """Whose request has the number that a rejection names."""

    JUDGED = "judged"  # also said of a call that is no rejection
    ANOTHERS = "another's"
    NOBODYS = "nobody's"


class Look(msgspec.Struct, frozen=True):
    """What a node showed, and at which block."""

    whose: Whose
    block: int


class Votes:
    """Compares rejections with the requests of the node's branch."""

    def __init__(self, node: Node, sender: bytes, blocks: int) -> None:
        """Args: blocks: below the head, a reorganisation takes none that is deeper."""
        self._node = node
        self._sender = sender
        self._blocks = blocks

    async def is_misled(self, asked: Asking, call: Calling) -> bool:
        """Whether a call would reject another request than the one that was judged; raises RpcError."""
        return (await self.look(asked, call)).whose is not Whose.JUDGED

    async def look(self, asked: Asking, call: Calling) -> Look:
        """Whose request a call would reject, as the node that answers has it; raises RpcError."""
        selector = calls.REJECT_PROOF_RESPONSE.selector
        if not call.data.startswith(selector):
            return Look(Whose.JUDGED, 0)
        number = call.data[len(selector) : len(selector) + 32]
        head = await self._node.head()
        first = max(0, head.number - self._blocks)
        logs = await self._requests(first, head.number, call.to, number)
        if logs:
            return Look(_whose(asked, logs[-1]), head.number)
        return Look(Whose.JUDGED if await self._is_requested(call) else Whose.NOBODYS, head.number)

    async def _requests(self, first: int, head: int, to: bytes, number: bytes) -> list[Log]:
        """Requests of that number from a block on."""
        topics = (VERIFY_PROOF_REQUEST_TOPIC, number)

        def ask(first: int, last: int) -> Awaitable[tuple[Log, ...]]:
            # the last part is open: blocks may come meanwhile
            return self._node.logs_since(first, to, topics, None if last == head else last)

        # anew for each search: they are rare, and what refuses one need not be the range
        span = Span(head - first + 1)
        return [log async for page in pages(span, first, head, ask) for log in page]

    async def _is_requested(self, call: Calling) -> bool:
        try:
            await self._node.estimate_gas(self._sender, call.to, call.data)
        except ContractReverted as refusal:
            return refusal.name != _NOT_REQUESTED
        return True


def _whose(asked: Asking, log: Log) -> Whose:
    try:
        request = decode_gateway_log(log.topics, log.data)
    except UndecodableLog:  # what we judged could be read
        return Whose.ANOTHERS
    if isinstance(request, VerifyProofRequest) and item_that_answers(asked.tenant, request) == asked.item:
        return Whose.JUDGED
    return Whose.ANOTHERS
