"""A chain in memory that grows, forgets and changes its branch on request."""

import hashlib
from collections.abc import AsyncGenerator, Iterable, Sequence

import msgspec

from streams.adapters.ethereum.bloom import bloom_of
from streams.adapters.ethereum.chain import BlockLog, Head
from streams.adapters.ethereum.errors import BlockUnknown
from streams.adapters.memory.log import MemoryLog
from streams.domain import facts
from streams.domain.errors import RpcError
from streams.messages.topics import EVENTS
from streams.ports import Record


def digest(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def a_log(address: bytes, index: int = 0, data: bytes = b"", topics: tuple[bytes, ...] = ()) -> facts.Log:
    return facts.Log(
        address=address, topics=topics, data=data, transaction_hash=digest(index, data), log_index=index
    )


class FakeChain:
    """Serves the present branch only, as a node does; `salt` tells its branches apart."""

    def __init__(self, length: int = 1) -> None:
        self.branch: list[Head] = []
        self.logs: dict[bytes, list[facts.Log]] = {}
        self._salt = 0
        self.failures = 0  # calls to answer with RpcError
        self.mine(length)

    def mine(self, count: int = 1, logs: Sequence[facts.Log] = ()) -> Head:
        """Grow; the logs go into the last block."""
        for _ in range(count):
            number = len(self.branch)
            parent = self.branch[-1].hash if self.branch else bytes(32)
            head = Head(number, digest(number, parent, self._salt), parent, 1_000 + number, bloom_of(()))
            self.branch.append(head)
        self.branch[-1] = msgspec.structs.replace(self.branch[-1], logs_bloom=bloom_of(logs))
        self.logs[self.branch[-1].hash] = sorted(logs, key=lambda log: log.log_index)
        return self.branch[-1]

    def drop(self, depth: int) -> list[Head]:
        """Forget the last blocks; what is mined next is another branch."""
        dropped = self.branch[-depth:]
        del self.branch[-depth:]
        self._salt += 1
        return dropped

    def restore(self, heads: Sequence[Head]) -> None:
        """Take blocks of an older branch back."""
        self.branch.extend(heads)

    async def head(self) -> Head:
        self._answer()
        return self.branch[-1]

    async def block(self, number: int) -> Head | None:
        self._answer()
        return self.branch[number] if 0 <= number < len(self.branch) else None

    async def blocks(self, numbers: Sequence[int]) -> list[Head | None]:
        return [await self.block(number) for number in numbers]

    async def block_by_hash(self, block_hash: bytes) -> Head | None:
        self._answer()
        return next((head for head in self.branch if head.hash == block_hash), None)

    async def logs_of_block(
        self, block_hash: bytes, addresses: Iterable[bytes] = ()
    ) -> tuple[facts.Log, ...]:
        if await self.block_by_hash(block_hash) is None:
            raise BlockUnknown("eth_getLogs", -32000, "unknown block")
        wanted = set(addresses)
        return tuple(log for log in self.logs.get(block_hash, ()) if not wanted or log.address in wanted)

    async def logs_in_range(
        self, first: int, last: int, addresses: Iterable[bytes] = ()
    ) -> tuple[BlockLog, ...]:
        wanted = tuple(addresses)
        heads = [head for head in self.branch if first <= head.number <= last]
        found = [(head, await self.logs_of_block(head.hash, wanted)) for head in heads]
        return tuple(BlockLog(head.number, head.hash, log) for head, logs in found for log in logs)

    def _answer(self) -> None:
        if self.failures:
            self.failures -= 1
            raise RpcError("the node is away")


class CountingLog(MemoryLog):
    """Counts the facts' records that are read."""

    reads = 0

    async def read(
        self, topic: str, partition: int, start: int, end: int | None = None
    ) -> AsyncGenerator[Record, None]:
        async for record in super().read(topic, partition, start, end):
            self.reads += topic == EVENTS
            yield record


def facts_of(log: MemoryLog, tenant: str) -> list[facts.Fact]:
    """Facts of a tenant in log order, parts put together as soon as they are complete."""
    found: list[facts.Fact] = []
    bodies: dict[bytes, dict[int, bytes]] = {}
    for record in log.records(EVENTS):
        if record.key != tenant.encode():
            continue
        fact = facts.decode_fact(record.value or b"")
        if not isinstance(fact, facts.FactPart):
            found.append(fact)
            continue
        parts = bodies.setdefault(fact.sha256, {})
        parts[fact.index] = fact.body
        if len(parts) == fact.count:
            found.append(facts.decode_fact(b"".join(parts[index] for index in sorted(parts))))
    return found


def blocks_of(log: MemoryLog, tenant: str) -> list[facts.HostBlock]:
    return [fact for fact in facts_of(log, tenant) if isinstance(fact, facts.HostBlock)]


def ranges_of(log: MemoryLog, tenant: str) -> list[facts.GatewayRange]:
    return [fact for fact in facts_of(log, tenant) if isinstance(fact, facts.GatewayRange)]
