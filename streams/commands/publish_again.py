"""`control publish-again`: facts that the log lost before they were applied, told once more."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands import output
from streams.domain.errors import ConfigurationError, Recoverable

if TYPE_CHECKING:
    from streams.adapters.kafka.log import KafkaLog
    from streams.adapters.postgres.store import TenantPlace
    from streams.settings import HostChainSettings, Settings


def publish_again(
    chain: Annotated[int, typer.Option(help="Id of a host chain, or of the gateway.")],
    from_block: Annotated[
        int, typer.Option(min=0, help="The first block that its tenants may lack; a lower one is harmless.")
    ],
) -> None:
    """Tell the blocks of a host chain, or the gateway's ranges, once more: from a block up to the head.

    It reads the chain's node like another listener and appends to `events.v1`. What is known changes nothing,
    so listeners and graph may go on meanwhile, and a command that failed may be repeated.
    """
    from streams.settings import load_settings

    asyncio.run(_publish(load_settings(), chain, from_block))


async def _publish(settings: "Settings", chain: int, first: int) -> None:
    from streams.adapters.kafka.log import KafkaLog

    host = next((host for host in settings.host_chain if host.id == chain), None)
    if host is None and chain != settings.gateway.chain_id:
        known = ", ".join(map(str, (*(host.id for host in settings.host_chain), settings.gateway.chain_id)))
        raise ConfigurationError(f"there is no chain {chain} in the settings: {known}")
    log = KafkaLog(settings.kafka)
    try:
        telling = _ranges(settings, log, first) if host is None else _blocks(host, log, first)
        await _follow(telling, chain, first)
    finally:
        await log.close()


async def _follow(telling: AsyncGenerator[int], chain: int, first: int) -> None:
    told = first
    try:
        with output.waiting(f"chain {chain} is told again from block {first} on"):
            async for number in telling:
                told = number
    except Recoverable:
        output.say(f"it was told up to block {told}: repeat the command from there")
        raise
    output.say(f"chain {chain} is told again up to block {told}")


async def _blocks(host: "HostChainSettings", log: "KafkaLog", first: int) -> AsyncGenerator[int]:
    from streams.adapters.ethereum.chain import EthereumChain
    from streams.adapters.ethereum.rpc import RpcClient
    from streams.services.listener.again import blocks_again
    from streams.services.listener.repeat import require_chain

    async with RpcClient(host.http_url) as rpc:
        node = EthereumChain(rpc, has_blooms=host.logs_bloom)
        await require_chain(node, host.id)
        async for told in blocks_again(node, log, host, first):
            yield told


async def _ranges(settings: "Settings", log: "KafkaLog", first: int) -> AsyncGenerator[int]:
    from streams.adapters.ethereum.chain import EthereumChain
    from streams.adapters.ethereum.releases import require_spoken
    from streams.adapters.ethereum.rpc import RpcClient
    from streams.adapters.system import SystemClock
    from streams.services.listener.again import ranges_again
    from streams.services.listener.gateway_routes import Router
    from streams.services.listener.host import tenant_of
    from streams.services.listener.repeat import require_chain

    gateway = settings.gateway
    router = Router({host.id: tenant_of(host) for host in settings.host_chain})
    async with RpcClient(gateway.http_url) as rpc:
        node = EthereumChain(rpc, has_blooms=gateway.logs_bloom)
        await require_chain(node, gateway.chain_id)
        await require_spoken(node, gateway)
        async for told in ranges_again(node, log, gateway, router, SystemClock(), first):
            yield told


def commands_for(settings: "Settings", tenants: Iterable[str], places: "Iterable[TenantPlace]") -> list[str]:
    """What tells again all that these tenants may lack, as lines of a shell.

    Args:
        places: how far their facts are applied; nothing of whom it has no place.
    """
    from streams.services.listener.host import tenant_of

    names, known = set(tenants), {place.tenant: place for place in places}
    firsts: list[tuple[int, int]] = []
    for host in settings.host_chain:
        place = known.get(tenant_of(host))
        # Below the tip, as deep as a reorganisation may have gone meanwhile.
        depth = 0 if place is None else place.tip_number - host.reorg_depth_max
        if tenant_of(host) in names:
            firsts.append((host.id, max(host.start_block, depth)))
    gateway = settings.gateway
    # Above the end itself, so that one that a reorganisation took is told by an alarm and not passed over.
    ends = [known[name].gateway_number + 1 if name in known else 0 for name in names]
    if gateway.http_url:
        firsts.append((gateway.chain_id, max(gateway.start_block, min(ends, default=0))))
    return [f"cipherstream control publish-again --chain {chain} --from-block {at}" for chain, at in firsts]
