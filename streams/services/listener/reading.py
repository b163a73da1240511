"""Logs of known blocks, whatever the node answers: each belongs to its block, and none of ours is missing.

A node may be several behind one address, with indices that lag behind their blocks. So logs are believed when
1. they carry the hash of a header that we have,
2. that header's bloom knows their addresses and topics,
3. a contract that the bloom claims has logs there, or the block's logs of all contracts set each of its bits,
4. a large answer is as long as those for each contract by itself; of a range it is not believed at its end.
"""

import itertools
from collections.abc import AsyncGenerator, Awaitable, Iterable, Sequence
from typing import Final, Protocol

from streams.adapters.ethereum import bloom
from streams.adapters.ethereum.chain import BlockLog, Head
from streams.adapters.ethereum.errors import BlockUnknown, RpcRefused, TooMuch, WrongLogs
from streams.adapters.ethereum.span import Span, pages
from streams.domain.errors import Recoverable
from streams.domain.facts import Log

LARGE_LOGS: Final = 1_000  # of one answer; the lowest limit that providers are known to cut at
RANGE_MIN: Final = 3  # blocks; fewer are read one by one

_BLOOM_HINT: Final = "if this chain's headers have no true blooms, set logs_bloom = false for it"


class Moved(Recoverable):
    """The chain changed its branch while it was read; look again."""


class LogSource(Protocol):
    """A node, asked for logs; raises RpcError."""

    async def logs_of_block(self, block_hash: bytes, addresses: Iterable[bytes]) -> tuple[Log, ...]:
        """Logs of these contracts in exactly that block, of all where none is given; raises BlockUnknown."""
        ...

    async def logs_in_range(self, first: int, last: int, addresses: Sequence[bytes]) -> tuple[BlockLog, ...]:
        """Logs of the node's present branch, both ends included, in order."""
        ...


class BlockSource(Protocol):
    """A node, asked for headers; raises RpcError."""

    async def blocks(self, numbers: Sequence[int]) -> list[Head | None]:
        """Blocks of the node's present branch."""
        ...


async def linked(chain: BlockSource, first: int, last: int) -> list[Head]:
    """Blocks of those numbers, each the parent of the next; raises Moved where the node has no such."""
    found = await chain.blocks(range(first, last + 1))
    headers = [header for header in found if header is not None]
    connect = all(child.parent_hash == parent.hash for parent, child in itertools.pairwise(headers))
    if len(headers) != len(found) or not connect:
        raise Moved
    return headers


class LogReader:
    """Logs of one chain for these contracts."""

    def __init__(self, chain: LogSource, addresses: Sequence[bytes], blocks_max: int) -> None:
        """Args: blocks_max: longest range to ask for."""
        self._chain = chain
        self._addresses = tuple(addresses)
        self._span = Span(blocks_max)

    async def of_range(self, first: int, last: int) -> list[BlockLog]:
        """Logs of those numbers as the node has them, in as many pages as it wants; not checked.

        Raises: RpcError. A refused page is asked for again in halves; pages grow again after successes.
        """
        return [entry async for page in self._pages(first, last) for entry in page]

    def _pages(self, first: int, last: int) -> AsyncGenerator[tuple[BlockLog, ...]]:
        def ask(first: int, last: int) -> Awaitable[tuple[BlockLog, ...]]:
            return self._chain.logs_in_range(first, last, self._addresses)

        return pages(self._span, first, last, ask)

    async def of_blocks(self, headers: Sequence[Head]) -> dict[bytes, tuple[Log, ...]]:
        """Logs of connected blocks that were asked for together, by hash; `of_block` has the last word.

        Raises: RpcError; Moved where the node has other blocks of these numbers.
        """
        if len(headers) < RANGE_MIN:
            return {}
        try:
            found = [page async for page in self._pages(headers[0].number, headers[-1].number)]
        except (RpcRefused, TooMuch):
            return {}  # one block that is too much must not hold up those before it
        hashes = {header.number: header.hash for header in headers}
        logs: dict[bytes, list[Log]] = {header.hash: [] for header in headers}
        for entry in itertools.chain.from_iterable(found):
            if hashes[entry.block_number] != entry.block_hash:
                raise Moved
            logs[entry.block_hash].append(entry.log)
        for cut in (page[-1] for page in found if len(page) >= LARGE_LOGS):
            del logs[cut.block_hash]  # where an answer is cut, its last block is not whole
        return {block_hash: tuple(of_block) for block_hash, of_block in logs.items()}

    async def of_block(self, header: Head, found: tuple[Log, ...] | None = None) -> tuple[Log, ...]:
        """All logs of a block.

        Args: found: what a range said of it.
        Raises: BlockUnknown; WrongLogs while the node does not have what its header promises.
        """
        # What a range said is believed when the bloom agrees; without a bloom every block is asked for by
        # its hash.
        if found is not None and header.logs_bloom and not self._absent(header, found):
            _check_bloom(header, found)
            return found
        logs = await self._by_hash(header.hash)
        if header.logs_bloom:
            _check_bloom(header, logs)
            if absent := self._absent(header, logs):
                await self._check_absent(header, absent)
        return logs

    async def _by_hash(self, block_hash: bytes) -> tuple[Log, ...]:
        try:
            logs = await self._chain.logs_of_block(block_hash, self._addresses)
        except BlockUnknown:
            raise
        except (RpcRefused, TooMuch):
            if len(self._addresses) == 1:
                raise
            return _merged(await self._by_contract(block_hash))
        if len(logs) < LARGE_LOGS or len(self._addresses) == 1:
            return logs
        parts = await self._by_contract(block_hash)
        lengths = [len(part) for part in parts]
        if sum(lengths) < len(logs) or (sum(lengths) > len(logs) <= max(lengths)):
            raise WrongLogs(f"the node cuts answers: {len(logs)} logs of block 0x{block_hash.hex()}")
        return _merged(parts)

    async def _by_contract(self, block_hash: bytes) -> list[tuple[Log, ...]]:
        return [await self._chain.logs_of_block(block_hash, (address,)) for address in self._addresses]

    def _absent(self, header: Head, logs: Iterable[Log]) -> list[bytes]:
        """Contracts that the bloom claims and that have no log."""
        seen = {log.address for log in logs}
        claimed = (address for address in self._addresses if bloom.may_hold(header.logs_bloom, address))
        return [address for address in claimed if address not in seen]

    async def _check_absent(self, header: Head, absent: Sequence[bytes]) -> None:
        # A bloom may claim by accident what is not there: only the logs of all contracts can prove it.
        everybodys = await self._chain.logs_of_block(header.hash, ())
        missing = any(log.address in absent for log in everybodys)
        if missing or not bloom.explains(everybodys, header.logs_bloom):
            raise WrongLogs(f"the node lacks logs of block {header.number}; {_BLOOM_HINT}")


def _check_bloom(header: Head, logs: Iterable[Log]) -> None:
    items = {item for log in logs for item in (log.address, *log.topics)}
    if not all(bloom.may_hold(header.logs_bloom, item) for item in items):
        raise WrongLogs(f"logs that block {header.number} denies; {_BLOOM_HINT}")


def _merged(parts: Iterable[tuple[Log, ...]]) -> tuple[Log, ...]:
    return tuple(sorted((log for part in parts for log in part), key=lambda log: log.log_index))
