"""Whether the gateway's branch is still the one on which our calls were seen to be made."""

from typing import Final

from streams.adapters.ethereum.chain import Head
from streams.services.sender.node import Node

_ASKED_MAX: Final = 100  # blocks in one request


class Branch:
    """Blocks that were on the node's branch: a few that are asked for again say it of all below them."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._known: dict[int, bytes] = {}
        self._is_unknown = True  # what was settled by a process before this one is looked at once

    def note(self, number: int, block_hash: bytes) -> None:
        """A call of ours was settled by this block."""
        if self._known.setdefault(number, block_hash) != block_hash:
            self._is_unknown = True

    async def has_moved(self) -> bool:
        """Whether a block has gone since the last look, or nobody looked yet; raises RpcError."""
        if self._is_unknown:
            return True
        known = tuple(self._known.items())
        for part in (known[at : at + _ASKED_MAX] for at in range(0, len(known), _ASKED_MAX)):
            blocks = await self._node.blocks([number for number, _ in part])
            if [_hash(block) for block in blocks] != [known_hash for _, known_hash in part]:
                return True
        return False

    def looked(self, head: Head) -> None:
        """All that was settled is on the branch of this head, or known to be gone."""
        # what was noted above it meanwhile is asked for at the next look
        self._known = {number: known for number, known in self._known.items() if number > head.number}
        self._known[head.number] = head.hash
        self._is_unknown = False


def _hash(block: Head | None) -> bytes:
    return b"" if block is None else block.hash
