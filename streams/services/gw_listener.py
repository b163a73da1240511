"""Service `gw-listener`: what happens on the gateway becomes facts of the tenants that it concerns."""

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.rpc import RpcClient
from streams.adapters.kafka.log import KafkaLog
from streams.domain.errors import ConfigurationError
from streams.services.listener.gateway import GatewayFollower
from streams.services.listener.gateway_routes import Router
from streams.services.listener.host import tenant_of
from streams.services.listener.repeat import once_checked, repeat
from streams.services.runtime import Runtime


async def run(runtime: Runtime) -> None:
    """Follow the gateway until told to stop; raises TooDeep, ConfigurationError."""
    gateway = runtime.settings.gateway
    if not gateway.http_url or gateway.input_verification_address is None:
        raise ConfigurationError("set gateway.http_url and gateway.input_verification_address")
    router = Router({host.id: tenant_of(host) for host in runtime.settings.host_chain})
    log = KafkaLog(runtime.settings.kafka)
    try:
        async with RpcClient(gateway.http_url) as rpc:
            chain = EthereumChain(rpc)
            follower = GatewayFollower(chain, log, gateway, router, runtime.clock, runtime.metrics)
            step = once_checked(chain, gateway.chain_id, follower.step)
            await repeat(runtime, "gateway", step, lambda: runtime.idle(gateway.poll_interval_s))
    finally:
        await log.close()
