"""Which blocks of a chain are to be published next: pure of Kafka, over a small Protocol of the node.

The log has a law that everything here keeps: the parent of a block comes before it, except the anchor's. So
a walk from the chain's head along parents may stop at the first block that the log has.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec

from streams.adapters.ethereum.chain import Head
from streams.domain import facts
from streams.domain.errors import Fatal, Recoverable
from streams.services.listener.publish import bounded

BLOCKS_AT_ONCE: Final = 32  # asked of the node side by side while catching up

_EDGE_BLOCKS: Final = 64  # at the beginning of what is read from the log; branches and duplicates included


class Chain(Protocol):
    """A node, asked over HTTP; every call raises RpcError when it does not answer."""

    async def head(self) -> Head:
        """The newest block."""
        ...

    async def block(self, number: int) -> Head | None:
        """The block of the node's present branch with this number."""
        ...

    async def blocks(self, numbers: Sequence[int]) -> list[Head | None]:
        """Blocks of the node's present branch."""
        ...

    async def block_by_hash(self, block_hash: bytes) -> Head | None:
        """A block of the node's present branch; None also for one that it dropped."""
        ...

    async def logs_of_block(self, block_hash: bytes, addresses: Iterable[bytes]) -> tuple[facts.Log, ...]:
        """Logs of these contracts in exactly that block; raises BlockUnknown when the node dropped it."""
        ...


class Moved(Recoverable):
    """The chain changed its branch while it was read; look again."""


class TooDeep(Fatal):
    """A reorganisation goes back further than reorg_depth_max."""


class Known(msgspec.Struct, frozen=True):
    """A block that the log has."""

    number: int
    hash: bytes


class Window:
    """The newest blocks that the log has, of all branches; `tip` is where this listener stands."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._numbers: dict[bytes, int] = {}
        self.tip: Known | None = None

    def __contains__(self, block_hash: bytes) -> bool:
        return block_hash in self._numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: int, block_hash: bytes) -> None:
        """Note that the log has this block, and stand there."""
        self._numbers.pop(block_hash, None)
        self._numbers[block_hash] = number
        self.tip = Known(number, block_hash)
        if len(self._numbers) > 2 * self._depth:
            self._forget()

    def _forget(self) -> None:
        highest = max(self._numbers.values())
        kept = {hash_: number for hash_, number in self._numbers.items() if number > highest - self._depth}
        self._numbers = kept


def connected(blocks: Sequence[facts.HostBlock]) -> list[facts.HostBlock]:
    """Of the newest blocks in the log, those that the law holds for: a block behind a lost one is read again.

    Parents of the first may lie before what was read, unless the chain's anchor is among them.
    """
    edge = 0 if any(block.anchor for block in blocks) else _EDGE_BLOCKS
    kept: dict[bytes, facts.HostBlock] = {}
    for at, block in enumerate(blocks):
        if block.anchor or block.parent_hash in kept or at < edge:
            kept.pop(block.hash, None)
            kept[block.hash] = block
    return list(kept.values())


async def next_blocks(chain: Chain, window: Window, start_block: int, depth_max: int) -> list[Head]:
    """Blocks that the log lacks, parents first, from where the head's branch leaves it; at most some dozens.

    Raises: RpcError; Moved when the node changed its branch meanwhile; TooDeep.
    """
    head = await chain.head()
    if head.hash in window:
        window.add(head.number, head.hash)
        return []
    if window.tip is None:
        return await _anchor(chain, start_block)
    branch = await _forward(chain, min(head.number, window.tip.number + 1), head)
    while branch and branch[0].hash in window:
        window.add(branch[0].number, branch[0].hash)
        branch.pop(0)
    return await _back_to_known(chain, window, branch, depth_max) if branch else []


async def _anchor(chain: Chain, start_block: int) -> list[Head]:
    first = await chain.block(start_block)
    return [first] if first is not None else []


async def _forward(chain: Chain, first: int, head: Head) -> list[Head]:
    """Blocks from `first` towards the head, linked to each other."""
    if first == head.number:
        return [head]
    last = min(head.number, first + BLOCKS_AT_ONCE - 1)
    found = await chain.blocks(range(first, last + 1))
    headers = [header for header in found if header is not None]
    linked = all(child.parent_hash == parent.hash for parent, child in itertools.pairwise(headers))
    if len(headers) != len(found) or not linked:
        raise Moved
    return headers


async def _back_to_known(chain: Chain, window: Window, branch: list[Head], depth_max: int) -> list[Head]:
    assert window.tip is not None
    floor = min(window.tip.number, branch[0].number) - depth_max
    while branch[0].parent_hash not in window:
        if branch[0].number <= max(floor, 0):
            raise TooDeep(f"no common block in the {depth_max} blocks below {window.tip.number}")
        parent = await chain.block_by_hash(branch[0].parent_hash)
        if parent is None:
            raise Moved
        branch.insert(0, parent)
    return branch


async def read_block(
    chain: Chain, chain_id: int, header: Head, addresses: Sequence[bytes], *, anchor: bool
) -> facts.HostBlock:
    """The fact of a block with its logs; raises RpcError, also when the node dropped the block."""
    found = await chain.logs_of_block(header.hash, addresses)
    ordered = sorted(found, key=lambda log: log.log_index)
    return facts.HostBlock(
        chain_id=chain_id,
        number=header.number,
        hash=header.hash,
        parent_hash=header.parent_hash,
        timestamp=header.timestamp,
        logs=tuple(bounded(log) for log in ordered),
        anchor=anchor,
    )
