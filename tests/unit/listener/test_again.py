"""Blocks and ranges told again beside a listener that goes on: nobody is held up, nothing is missing."""

import pytest
from fake_chain import FakeChain, blocks_of

from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.log import MemoryLog
from streams.adapters.telemetry.metrics import Metrics
from streams.services.listener.again import blocks_again
from streams.services.listener.audit import AUDIT_FACTS, AUDIT_S
from streams.services.listener.host import HostFollower, tenant_of
from streams.services.listener.reading import Moved
from streams.settings import HostChainSettings


async def follow(follower: HostFollower) -> HostFollower:
    while await follower.step():
        pass
    return follower


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("length", [300, 2 * AUDIT_FACTS])
async def test_a_listener_goes_on_behind_what_was_told_again(
    log: MemoryLog, host: HostChainSettings, clock: FakeClock, length: int, is_restarted: bool
) -> None:
    chain = FakeChain(length)
    follower = await follow(HostFollower(chain, log, host, clock, Metrics()))
    async for _ in blocks_again(chain, log, host, host.start_block):
        chain.mine()
        await follow(follower)
    before = len(blocks_of(log, tenant_of(host)))
    chain.mine(2)
    await clock.advance(AUDIT_S)
    await follow(HostFollower(chain, log, host, clock, Metrics()) if is_restarted else follower)
    told = blocks_of(log, tenant_of(host))
    assert {block.hash for block in told} == {head.hash for head in chain.branch[host.start_block :]}
    assert [block.number for block in told[before:]][-2:] == [len(chain.branch) - 2, len(chain.branch) - 1]


async def test_a_fact_that_is_told_again_is_the_same(
    log: MemoryLog, host: HostChainSettings, clock: FakeClock
) -> None:
    chain = FakeChain(20)
    await follow(HostFollower(chain, log, host, clock, Metrics()))
    first = blocks_of(log, tenant_of(host))
    assert [number async for number in blocks_again(chain, log, host, host.start_block)] == [19]
    assert blocks_of(log, tenant_of(host)) == [*first, *first]


async def test_a_branch_that_changes_meanwhile_ends_it(log: MemoryLog, host: HostChainSettings) -> None:
    chain = FakeChain(250)
    telling = blocks_again(chain, log, host, host.start_block)
    assert await anext(telling) == 102
    chain.drop(200)
    chain.mine(220)
    with pytest.raises(Moved):
        await anext(telling)
