"""Service `gw-listener`: what happens on the gateway becomes facts of the tenants that it concerns."""

import functools
from typing import Final

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.releases import require_spoken
from streams.adapters.ethereum.rpc import RpcClient
from streams.adapters.kafka.log import KafkaLog
from streams.domain.errors import ConfigurationError
from streams.services.listener.gateway import GatewayFollower
from streams.services.listener.gateway_routes import Router
from streams.services.listener.host import tenant_of
from streams.services.listener.repeat import once_checked, repeat, watched
from streams.services.listener.waiting import announcements, head_or_poll
from streams.services.runtime import Runtime

_RELEASE_S: Final = 30.0  # between two looks at the contracts' releases: they may be upgraded under us


async def run(runtime: Runtime) -> None:
    """Follow the gateway until told to stop; raises TooDeep, ConfigurationError, ForeignRelease."""
    gateway = runtime.settings.gateway
    if not gateway.http_url or gateway.input_verification_address is None:
        raise ConfigurationError("set gateway.http_url and gateway.input_verification_address")
    # all tenants in one listener: the gateway is read once, whatever the number of host chains
    router = Router({host.id: tenant_of(host) for host in runtime.settings.host_chain})
    log = KafkaLog(runtime.settings.kafka)
    try:
        async with RpcClient(gateway.http_url) as rpc:
            chain = EthereumChain(rpc, has_blooms=gateway.logs_bloom)
            follower = GatewayFollower(
                chain, log, gateway, router, runtime.clock, runtime.metrics, runtime.tracing
            )
            release = functools.partial(require_spoken, chain, gateway)
            spoken = watched(follower.step, release, runtime.clock, _RELEASE_S)
            step = once_checked(chain, gateway.chain_id, spoken)
            async with announcements(chain, gateway.ws_url, runtime.clock) as announced:
                await repeat(
                    runtime,
                    "gateway",
                    step,
                    lambda: head_or_poll(runtime, gateway.poll_interval_s, announced),
                )
    finally:
        await log.close()
