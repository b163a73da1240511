"""Which blocks of a chain are to be published next: pure of Kafka, over a small Protocol of the node.

The log has a law that everything here keeps: the parent of a block comes before it, except an anchor's. So
a walk from the chain's head along parents may stop at the first block that the log has. A branch that a
reorganisation made below the anchor begins with an anchor of its own, of the same number.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

import msgspec

from streams.adapters.ethereum.chain import Head
from streams.domain import facts
from streams.domain.errors import Fatal, Recoverable
from streams.services.listener.publish import bounded
from streams.services.listener.reading import LogSource, Moved, linked

BLOCKS_AT_ONCE: Final = 100  # asked of the node side by side while catching up

_EDGE_BLOCKS: Final = 64  # at the beginning of what is read from the log; branches and duplicates included


class Chain(LogSource, Protocol):
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


class Behind(Recoverable):
    """The node has not come to where the log begins to be remembered; it may catch up."""


class TooDeep(Fatal):
    """A reorganisation goes back further than reorg_depth_max."""


class Known(msgspec.Struct, frozen=True):
    """A block that the log has."""

    number: int
    hash: bytes
    parent_hash: bytes


class Window:
    """The newest blocks that the log has, of all branches; `tip` is where this listener stands."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._blocks: dict[bytes, Known] = {}
        self.tip: Known | None = None
        self.best: Known | None = None  # the highest, the first seen of them: what readers follow
        self.anchor: int | None = None  # number of the block that the chain begins with, while it is known

    def __contains__(self, block_hash: bytes) -> bool:
        return block_hash in self._blocks

    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def lowest(self) -> int:
        """Number below which nothing is remembered."""
        return min((block.number for block in self._blocks.values()), default=0)

    def begins_with(self, block: Head) -> bool:
        """Whether nothing that is to be told comes before this block, which the log lacks."""
        if self.tip is None:
            return True
        return block.number == self.anchor and block.parent_hash not in self

    def add(self, number: int, block_hash: bytes, parent_hash: bytes, *, anchor: bool = False) -> None:
        """Note that the log has this block, and stand there."""
        if anchor:
            self.anchor = number
        self.tip = Known(number, block_hash, parent_hash)
        self._blocks.pop(block_hash, None)
        self._blocks[block_hash] = self.tip
        # as readers choose: the highest, the first seen on a tie
        if self.best is None or number > self.best.number:
            self.best = self.tip
        # in bulk and rarely: forgetting one at a time would search the whole window each time
        if len(self._blocks) > 2 * self._depth:
            self._forget(self.best.number)

    def leaves_at(self, block_hash: bytes) -> int:
        """Number of the block at which the branch of a known block leaves the best one; -1 where unknown.

        A branch with an anchor of its own leaves it below that.
        """
        ours = {block.hash for block in self._branch(self.best.hash if self.best else b"")}
        shared = (block.number for block in self._branch(block_hash) if block.hash in ours)
        return next(shared, -1 if self.anchor is None else self.anchor - 1)

    def _branch(self, block_hash: bytes) -> Iterator[Known]:
        block = self._blocks.get(block_hash)
        while block is not None:
            yield block
            block = self._blocks.get(block.parent_hash)

    def _forget(self, highest: int) -> None:
        lowest = highest - self._depth + 1
        self._blocks = {hash_: block for hash_, block in self._blocks.items() if block.number >= lowest}
        if self.anchor is not None and self.anchor < lowest:
            self.anchor = None


def connected(
    blocks: Sequence[facts.HostBlock], given: Sequence[facts.HostBlock] = ()
) -> list[facts.HostBlock]:
    """Of the newest blocks in the log, those that the law holds for: a block behind a lost one is read again.

    Args: given: blocks before them that it holds for. Without these the parents of the first may lie before
        what was read, unless the chain's anchor is among them.
    """
    edge = 0 if given or any(block.anchor for block in blocks) else _EDGE_BLOCKS
    kept = {block.hash: block for block in given}
    for at, block in enumerate(blocks):
        if block.anchor or block.parent_hash in kept or block.hash in kept or at < edge:
            kept.pop(block.hash, None)
            kept[block.hash] = block
    return list(kept.values())


async def next_blocks(chain: Chain, window: Window, start_block: int, depth_max: int) -> list[Head]:
    """Blocks that the log lacks, parents first, from where the head's branch leaves it; at most some dozens.

    Raises: RpcError; Moved when the node changed its branch meanwhile; Behind; TooDeep.
    """
    head = await chain.head()
    # Another listener was quicker, or the head went back to a block that the log has: stand there, tell
    # nothing.
    if head.hash in window:
        window.add(head.number, head.hash, head.parent_hash)
        return []
    if window.tip is None:
        return await _anchor(chain, start_block)
    if head.number < window.lowest:
        raise Behind(f"the node stands at {head.number}, the log remembers from {window.lowest} on")
    branch = await _forward(chain, min(head.number, window.tip.number + 1), head)
    # the log may have some of them already, from another listener
    while branch and branch[0].hash in window:
        known = branch.pop(0)
        window.add(known.number, known.hash, known.parent_hash)
    if branch:
        branch = await _back_to_known(chain, window, branch, depth_max)
        _check_depth(window, branch, depth_max)
    return branch


def _check_depth(window: Window, branch: Sequence[Head], depth_max: int) -> None:
    """A branch that would become canonical must not take back more; one that stays below harms nobody."""
    best, parent = window.best, branch[0].parent_hash
    if best is None or parent == best.hash or branch[-1].number <= best.number:
        return
    if best.number - window.leaves_at(parent) > depth_max:
        raise _too_deep(best.number, depth_max)


def _too_deep(number: int, depth_max: int) -> TooDeep:
    return TooDeep(
        f"no common block in the {depth_max} blocks below {number}: is this the right node? If its branch is "
        "the true one, raise reorg_depth_max"
    )


async def _anchor(chain: Chain, start_block: int) -> list[Head]:
    first = await chain.block(start_block)
    return [first] if first is not None else []


async def _forward(chain: Chain, first: int, head: Head) -> list[Head]:
    """Blocks from `first` towards the head, linked to each other."""
    if first == head.number:
        return [head]
    last = min(head.number, first + BLOCKS_AT_ONCE - 1)
    return await linked(chain, first, last)


async def _back_to_known(chain: Chain, window: Window, branch: list[Head], depth_max: int) -> list[Head]:
    assert window.tip is not None
    top = min(window.tip.number, branch[0].number)
    lowest = max(top - depth_max, window.lowest)
    while branch[0].parent_hash not in window:
        # Before the next question: a node on a chain of its own would be walked back to its genesis.
        if branch[0].number <= lowest:
            if window.begins_with(branch[0]):
                return branch
            raise _too_deep(top, depth_max)
        # by hash: by number the node could answer from another branch meanwhile
        parent = await chain.block_by_hash(branch[0].parent_hash)
        if parent is None or parent.number + 1 != branch[0].number:
            raise Moved
        branch.insert(0, parent)
    return branch


def fact_of(header: Head, chain_id: int, logs: Iterable[facts.Log], *, anchor: bool) -> facts.HostBlock:
    """The fact of a block with its logs, the same from every listener."""
    # The order of logs is part of the bytes: every listener must publish the same fact.
    ordered = sorted(logs, key=lambda log: log.log_index)
    return facts.HostBlock(
        chain_id=chain_id,
        number=header.number,
        hash=header.hash,
        parent_hash=header.parent_hash,
        timestamp=header.timestamp,
        logs=tuple(bounded(log) for log in ordered),
        anchor=anchor,
    )
