"""The host listener between a real broker and a real node, through everything a node may do."""

import asyncio
import random

import pytest
from chain_tools import CALLER, command, mined
from log_tools import assert_canonical, blocks, host_settings

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.kafka.log import KafkaLog
from streams.adapters.system import SystemClock
from streams.adapters.telemetry.metrics import Metrics
from streams.devnet import stack as devnet
from streams.domain.errors import Recoverable
from streams.services.listener.again import blocks_again
from streams.services.listener.follower import TooDeep
from streams.services.listener.host import HostFollower, tenant_of

pytestmark = pytest.mark.stack
STORM_STEPS = 40
BOUND = 50  # reorg_depth_max where nothing is set


async def drain(follower: HostFollower) -> int:
    """Step until there is nothing to do, repeating what may be repeated."""
    total = 0
    while True:
        try:
            done = await follower.step()
        except Recoverable:
            continue
        total += done
        if not done:
            return total


async def test_a_chain_is_caught_up_and_followed(
    log: KafkaLog, node: EthereumChain, chains: devnet.Stack
) -> None:
    start = (await mined(node, 1)).number
    await mined(node, 100)
    follower = HostFollower(node, log, host_settings(chains, start), SystemClock(), Metrics())
    assert await drain(follower) == 101
    await mined(node, 3)
    assert await drain(follower) == 3
    found = await assert_canonical(log, node, follower.tenant)
    assert [block.anchor for block in found] == [True] + [False] * 103


async def test_a_restarted_listener_goes_on_after_its_last_block(
    log: KafkaLog, node: EthereumChain, chains: devnet.Stack
) -> None:
    host = host_settings(chains, (await mined(node, 5)).number)
    await drain(HostFollower(node, log, host, SystemClock(), Metrics()))
    await mined(node, 7)
    assert await drain(HostFollower(node, log, host, SystemClock(), Metrics())) == 7
    assert await drain(HostFollower(node, log, host, SystemClock(), Metrics())) == 0
    await assert_canonical(log, node, tenant_of(host))


async def test_an_anchor_that_is_reorganised_is_followed_and_told_again_as_it_is(
    log: KafkaLog, node: EthereumChain, chains: devnet.Stack
) -> None:
    host = host_settings(chains, (await mined(node, 2)).number)
    await mined(node, 2)
    follower = HostFollower(node, log, host, SystemClock(), Metrics())
    assert await drain(follower) == 3
    await leave(node, 4)
    assert await drain(follower) == 4
    told = await assert_canonical(log, node, tenant_of(host))
    assert [block.anchor for block in told] == [True, False, False, True, False, False, False]
    head = (await node.head()).number
    assert [number async for number in blocks_again(node, log, host, host.start_block)] == [head]
    assert await blocks(log, tenant_of(host)) == [*told, *told[3:]]
    assert await drain(HostFollower(node, log, host, SystemClock(), Metrics())) == 0


async def test_a_reorganisation_while_the_listener_was_away(
    log: KafkaLog, node: EthereumChain, chains: devnet.Stack
) -> None:
    host = host_settings(chains, (await mined(node, 2)).number)
    await mined(node, 10)
    await drain(HostFollower(node, log, host, SystemClock(), Metrics()))
    await command(node, "anvil_reorg", 6, [])
    await mined(node, 2)
    assert await drain(HostFollower(node, log, host, SystemClock(), Metrics())) == 8
    await assert_canonical(log, node, tenant_of(host))


async def test_a_reorganisation_as_deep_as_the_bound_is_followed_and_a_deeper_one_waits_for_the_operator(
    log: KafkaLog, node: EthereumChain, chains: devnet.Stack
) -> None:
    """Fifty blocks, the setting's default; then 51, for the listener that saw it all and for a fresh one."""
    host = host_settings(chains, (await mined(node, 2)).number)
    assert host.reorg_depth_max == BOUND
    await mined(node, 2 * BOUND)
    follower = HostFollower(node, log, host, SystemClock(), Metrics())
    await drain(follower)
    await leave(node, BOUND)
    assert await drain(follower) == BOUND + 1
    told = await assert_canonical(log, node, tenant_of(host))
    await leave(node, BOUND + 1)
    for listener in (follower, HostFollower(node, log, host, SystemClock(), Metrics())):
        with pytest.raises(TooDeep, match="raise reorg_depth_max"):
            await drain(listener)
    assert await blocks(log, tenant_of(host)) == told  # nothing of the branch was told
    raised = host.model_copy(update={"reorg_depth_max": BOUND + 1})
    assert await drain(HostFollower(node, log, raised, SystemClock(), Metrics())) == BOUND + 2
    await assert_canonical(log, node, tenant_of(host))


async def leave(node: EthereumChain, depth: int) -> None:
    """The chain leaves so many blocks for one more of others."""
    # Blocks that were mined ahead of the clock would come out the same again: the first of them has a
    # transaction, of another value each time.
    await command(node, "anvil_reorg", depth, [[{"from": CALLER, "to": CALLER, "value": hex(depth)}, 0]])
    await mined(node, 1)


async def test_canonical_facts_equal_the_node_after_a_storm_of_reorganisations(
    log: KafkaLog, node: EthereumChain, chains: devnet.Stack
) -> None:
    """Two listeners, one slow and restarted at random, over random growth, reorganisations and rollbacks."""
    choose = random.Random(20_261)
    start = (await mined(node, 20)).number
    host = host_settings(chains, start)
    followers = [HostFollower(node, log, host, SystemClock(), Metrics()) for _ in range(2)]
    for follower in followers:
        await drain(follower)
    await mined(node, 20)
    for _ in range(STORM_STEPS):
        await disturb(node, choose, start)
        steps = [follower.step() for follower in followers if choose.random() < 0.7]
        outcomes = await asyncio.gather(*steps, return_exceptions=True)
        assert all(isinstance(outcome, int | Recoverable) for outcome in outcomes), outcomes
        if choose.random() < 0.1:
            followers[1] = HostFollower(node, log, host, SystemClock(), Metrics())
    await mined(node, 30)
    for follower in followers:
        await drain(follower)
    found = await assert_canonical(log, node, tenant_of(host))
    assert len({block.hash for block in found}) > (await node.head()).number - start + 1


async def disturb(node: EthereumChain, choose: random.Random, start: int) -> None:
    head = await node.head()
    kind = choose.random()
    if kind < 0.4:
        await command(node, "anvil_mine", hex(choose.randint(1, 12)))
    elif kind < 0.8:
        depth = min(choose.randint(1, 12), head.number - start - 1)
        await command(node, "anvil_reorg", depth, [])
    else:
        depth = min(choose.randint(1, 6), head.number - start - 1)
        await command(node, "anvil_rollback", depth)
        await command(node, "anvil_mine", hex(1))
