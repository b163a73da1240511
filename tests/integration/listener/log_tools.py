"""Reading back what listeners published, and comparing it with the node."""

from collections.abc import AsyncIterator

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.kafka.log import KafkaLog
from streams.devnet import stack as devnet
from streams.domain import facts
from streams.messages.topics import EVENTS
from streams.settings import HostChainSettings


def host_settings(chains: devnet.Stack, start_block: int) -> HostChainSettings:
    return HostChainSettings(
        id=chains.host_chain_id,
        http_url=chains.host_http_url,
        acl_address="0x" + "ac" * 20,
        executor_address="0x" + "ee" * 20,
        start_block=start_block,
    )


async def facts_in(log: KafkaLog, tenant: str) -> AsyncIterator[facts.Fact]:
    """Facts of a tenant, parts put together once they are complete."""
    await log.partitions(EVENTS)
    partition = log.partition_of(EVENTS, tenant.encode())
    first, end = await log.bounds(EVENTS, partition)
    bodies: dict[bytes, dict[int, bytes]] = {}
    async for record in log.read(EVENTS, partition, first, end):
        if record.key != tenant.encode():
            continue
        fact = facts.decode_fact(record.value or b"")
        if not isinstance(fact, facts.FactPart):
            yield fact
            continue
        parts = bodies.setdefault(fact.sha256, {})
        parts[fact.index] = fact.body
        if len(parts) == fact.count:
            yield facts.decode_fact(b"".join(parts[index] for index in sorted(parts)))


async def blocks(log: KafkaLog, tenant: str) -> list[facts.HostBlock]:
    return [fact async for fact in facts_in(log, tenant) if isinstance(fact, facts.HostBlock)]


def branch_of(found: list[facts.HostBlock], tip: bytes) -> list[bytes]:
    """Hashes from the anchor to a tip, by parents."""
    by_hash = {block.hash: block for block in found}
    branch = [tip]
    while not by_hash[branch[-1]].anchor:
        branch.append(by_hash[branch[-1]].parent_hash)
    return branch[::-1]


def assert_parents_first(found: list[facts.HostBlock]) -> None:
    seen: set[bytes] = set()
    for block in found:
        assert block.anchor or block.parent_hash in seen
        seen.add(block.hash)


async def assert_canonical(log: KafkaLog, node: EthereumChain, tenant: str) -> list[facts.HostBlock]:
    """The log has the node's branch, whole, parents before children."""
    found = await blocks(log, tenant)
    assert_parents_first(found)
    head = await node.head()
    numbers = range(found[0].number, head.number + 1)
    wanted = [block.hash for block in await node.blocks(numbers) if block is not None]
    assert branch_of(found, head.hash) == wanted
    return found


async def ranges(log: KafkaLog, tenant: str) -> list[facts.GatewayRange]:
    return [fact async for fact in facts_in(log, tenant) if isinstance(fact, facts.GatewayRange)]
