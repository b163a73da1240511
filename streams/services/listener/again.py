"""Facts told once more because an operator asks for it: those that the log lost before they were applied.

A fact that is known changes nothing, so too many are harmless. Listeners go on meanwhile: these facts say in
a header that they are told again, and no listener takes them for its position. Blocks connect what waits for
them. Ranges of the gateway have to reach past the last one in the log, or the next one would leave a gap
again.
"""

from collections.abc import AsyncGenerator
from typing import Final

from streams.adapters.telemetry.metrics import Metrics
from streams.domain import facts
from streams.domain.errors import ConfigurationError
from streams.ports import Clock, Log
from streams.services.listener.follower import BLOCKS_AT_ONCE, Chain, fact_of
from streams.services.listener.gateway import QUIET_S, GatewayChain, GatewayFollower
from streams.services.listener.gateway_routes import Router
from streams.services.listener.host import contracts_of, tenant_of
from streams.services.listener.key_facts import tell
from streams.services.listener.position import newest_facts
from streams.services.listener.publish import Publisher
from streams.services.listener.reading import LogReader, Moved, linked
from streams.settings import GatewaySettings, HostChainSettings

# Ranges at the end of a tenant's log that are looked at: two listeners need not tell them in rising order.
_NEWEST: Final = 64
# Of the partition: a running listener tells every tenant a range within seconds, and what lies further back
# is hardly above the head. Without a bound, few ranges would mean reading all that neighbours were told.
RECORDS_MAX: Final = 20_000


async def blocks_again(chain: Chain, log: Log, host: HostChainSettings, first: int) -> AsyncGenerator[int]:
    """Publish the blocks of the node's branch from this one up to its head; gives how far it came.

    Raises: ConfigurationError; BrokerError, RpcError, Moved, after which it may be asked for the rest.
    """
    last = (await chain.head()).number
    if not host.start_block <= first <= last:
        raise ConfigurationError(f"chain {host.id} has blocks to tell from {host.start_block} to {last}")
    tenant, publisher = tenant_of(host), Publisher(log, "listener", is_again=True)
    reader = LogReader(chain, contracts_of(host), BLOCKS_AT_ONCE)
    # what activated its keys may be lost with its blocks
    await tell(log, [tenant])
    parent_hash = b""
    for start in range(first, last + 1, BLOCKS_AT_ONCE):
        headers = await linked(chain, start, min(last, start + BLOCKS_AT_ONCE - 1))
        if parent_hash not in (b"", headers[0].parent_hash):
            raise Moved
        together = await reader.of_blocks(headers)
        for header in headers:
            logs = await reader.of_block(header, together.get(header.hash))
            block = fact_of(header, host.id, logs, anchor=header.number == host.start_block)
            await publisher.publish(tenant, block, facts.host_event_id(host.id, header.hash))
        parent_hash = headers[-1].hash
        yield headers[-1].number


async def ranges_again(
    chain: GatewayChain, log: Log, gateway: GatewaySettings, router: Router, clock: Clock, first: int
) -> AsyncGenerator[int]:
    """Publish every tenant's ranges from this block on, past the end of its log; gives how far it came.

    Raises: ConfigurationError; BrokerError, RpcError, Moved, after which it may be asked for the rest.
    """
    last = (await chain.head()).number
    # just above the head is what is to be told where everything was applied: nothing
    if first > last + 1:
        raise ConfigurationError(f"the gateway has blocks to tell up to {last} only")
    follower = GatewayFollower(chain, log, gateway, router, clock, Metrics())
    await tell(log, router.everybody)
    await follower.begin_at(first)
    while True:
        while await follower.step():
            yield min(follower.places.values())
        if await _is_past(log, follower, last):
            break
        await clock.sleep(QUIET_S)  # an empty range is told only now and then
    yield min(follower.places.values())


async def _is_past(log: Log, follower: GatewayFollower, last: int) -> bool:
    for tenant, number in follower.places.items():
        if number < max([last, *await newest_facts(log, tenant, _end_of, _NEWEST, RECORDS_MAX)]):
            return False
    return True


def _end_of(fact: facts.Fact) -> int | None:
    return fact.to_block if isinstance(fact, facts.GatewayRange) else None
