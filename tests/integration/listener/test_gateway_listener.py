"""What a tenant's reader makes of the ranges equals the gateway, through reorganisations and rollbacks."""

import random

import pytest
from chain_tools import THRESHOLD_TOPIC, command, emit, mined, place_emitter
from listener_process import GATEWAY
from log_tools import ranges

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.kafka.log import KafkaLog
from streams.adapters.memory.clock import FakeClock
from streams.adapters.telemetry.metrics import Metrics
from streams.domain.errors import Recoverable
from streams.domain.facts import GATEWAY_TENANT, GatewayLog, GatewayRange
from streams.services.listener.audit import AUDIT_S
from streams.services.listener.gateway import QUIET_S, GatewayFollower
from streams.services.listener.gateway_ends import fold
from streams.services.listener.gateway_routes import Router
from streams.settings import GatewaySettings

pytestmark = pytest.mark.stack
STORM_STEPS = 30
DEPTH_MAX = 6


def events_of(found: list[GatewayRange]) -> list[GatewayLog]:
    """As the graph counts them: above the tip; what a reorganisation took back is dropped first."""
    kept: list[GatewayLog] = []
    for at, one in enumerate(found):
        before, after = fold(found[:at]), fold(found[: at + 1])
        common = max((end.number for end in before if end in after), default=-1)
        kept = [log for log in kept if log.block_number <= common]
        kept += [log for log in one.logs if log.block_number > common and after[-1].number == one.to_block]
    return kept


async def test_events_equal_the_gateways_after_a_storm(log: KafkaLog, gateway_node: EthereumChain) -> None:
    node, clock, choose = gateway_node, FakeClock(), random.Random(8_205)
    await place_emitter(node, GATEWAY, THRESHOLD_TOPIC, 32)
    start = (await mined(node, 20)).number
    await mined(node, DEPTH_MAX + 2)
    settings = GatewaySettings(input_verification_address=f"0x{GATEWAY.hex()}", start_block=start)

    def listener() -> GatewayFollower:
        return GatewayFollower(node, log, settings, Router({}), clock, Metrics())

    followers = [listener(), listener()]
    for follower in followers:
        await follower.step()
    for _ in range(STORM_STEPS):
        await disturb(node, choose, start)
        await clock.advance(QUIET_S * choose.random())
        for follower in followers:
            if choose.random() < 0.7:
                await stepped(follower)
        if choose.random() < 0.1:
            followers[1] = listener()
    head = await mined(node, 3 * DEPTH_MAX)
    await clock.advance(AUDIT_S)
    for follower in [*followers, *followers]:
        await clock.advance(QUIET_S)
        await stepped(follower)
        await stepped(follower)
    found = await ranges(log, GATEWAY_TENANT)
    assert fold(found)[-1].hash == head.hash
    on_chain = await node.logs_in_range(start, head.number, [GATEWAY])
    assert [(entry.block_hash, entry.log) for entry in events_of(found)] == [
        (entry.block_hash, entry.log) for entry in on_chain
    ]
    assert len(on_chain) > 5


async def stepped(follower: GatewayFollower) -> None:
    """One step, with patience for a node that changes its branch meanwhile."""
    try:
        await follower.step()
    except Recoverable:
        await follower.step()


async def disturb(node: EthereumChain, choose: random.Random, start: int) -> None:
    kind = choose.random()
    depth = min(choose.randint(1, DEPTH_MAX), (await node.head()).number - start - 1)
    if kind < 0.5:
        await emit(node, GATEWAY)
        await mined(node, choose.randint(1, 3))
    elif kind < 0.85:
        await command(node, "anvil_reorg", depth, [])
        await emit(node, GATEWAY)
    else:
        await command(node, "anvil_rollback", depth)
        await mined(node, 1)
