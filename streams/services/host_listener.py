"""Service `host-listener`: every block of every configured host chain becomes a fact of its tenant.

On the canonical chain (the one with a key contract) it also fetches the keys that were activated.
"""

import asyncio
from collections.abc import Sequence

import httpx

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.rpc import RpcClient
from streams.adapters.kafka.log import KafkaLog
from streams.adapters.key_store import KeyStore, key_directory
from streams.domain import facts
from streams.domain.errors import ConfigurationError
from streams.ports import Log
from streams.services.listener.host import HostFollower, tenant_of
from streams.services.listener.key_fetcher import KeyFetcher
from streams.services.listener.repeat import Troubles, once_checked, repeat
from streams.services.listener.waiting import announcements, head_or_poll
from streams.services.runtime import Runtime
from streams.settings import HostChainSettings

_KEYS_POLL_S = 2.0
_DOWNLOAD_TIMEOUT_S = 60.0  # without a byte


async def run(runtime: Runtime) -> None:
    """Follow all chains until told to stop; raises TooDeep, ConfigurationError."""
    if not runtime.settings.host_chain:
        raise ConfigurationError("there is no [[host_chain]] to listen to")
    log, troubles = KafkaLog(runtime.settings.kafka), Troubles(runtime.health)
    try:
        # One task per chain: a node that is away holds up no other chain; a Fatal of one ends the process.
        async with asyncio.TaskGroup() as group:
            for host in runtime.settings.host_chain:
                group.create_task(follow(runtime, log, host, troubles))
                if host.kms_generation_address is not None:
                    group.create_task(_fetch_keys(runtime, log, host, troubles))
    finally:
        await log.close()


async def follow(runtime: Runtime, log: Log, host: HostChainSettings, troubles: Troubles) -> None:
    """Follow one chain until told to stop; raises TooDeep, ConfigurationError."""
    poll_s = host.poll_interval_ms / 1000
    async with RpcClient(host.http_url) as rpc:
        chain = EthereumChain(rpc, has_blooms=host.logs_bloom)
        follower = HostFollower(
            chain, log, host, runtime.clock, runtime.metrics, runtime.tracing, runtime.health
        )
        step = once_checked(chain, host.id, follower.step)
        async with announcements(chain, host.ws_url, runtime.clock) as announced:
            await repeat(
                runtime, follower.tenant, step, lambda: head_or_poll(runtime, poll_s, announced), troubles
            )


async def _fetch_keys(runtime: Runtime, log: Log, host: HostChainSettings, troubles: Troubles) -> None:
    settings = runtime.settings
    async with (
        RpcClient(host.http_url) as rpc,
        httpx.AsyncClient(timeout=_DOWNLOAD_TIMEOUT_S, trust_env=False) as http,
    ):
        store = KeyStore(key_directory(settings.keys), http, settings.keys.url)
        chain = EthereumChain(rpc, has_blooms=host.logs_bloom)
        fetcher = KeyFetcher(
            chain,
            log,
            store,
            host,
            all_tenants(settings.host_chain),
            runtime.metrics,
            runtime.tracing,
        )
        step = once_checked(chain, host.id, fetcher.step)
        await repeat(runtime, "keys", step, lambda: runtime.idle(_KEYS_POLL_S), troubles)


def all_tenants(chains: Sequence[HostChainSettings]) -> list[str]:
    """Everybody who has a log: the host chains' tenants and the gateway's."""
    return [*map(tenant_of, chains), facts.GATEWAY_TENANT]
