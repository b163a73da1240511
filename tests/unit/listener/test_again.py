"""Blocks and ranges told again beside a listener that goes on: nobody is held up, nothing is missing."""

import pytest
from fake_chain import CountingLog, FakeChain, blocks_of, facts_of, ranges_of

from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.log import MemoryLog
from streams.adapters.telemetry.metrics import Metrics
from streams.domain.control import CrsAnnouncement
from streams.domain.errors import ConfigurationError
from streams.domain.facts import GATEWAY_TENANT
from streams.messages.topics import EVENTS, KEYSETS
from streams.services.listener import again, gateway
from streams.services.listener.again import blocks_again, ranges_again
from streams.services.listener.audit import AUDIT_FACTS, AUDIT_S
from streams.services.listener.follower import connected
from streams.services.listener.gateway import GatewayFollower
from streams.services.listener.gateway_routes import Router
from streams.services.listener.host import HostFollower, tenant_of
from streams.services.listener.key_facts import announce, tell
from streams.services.listener.reading import Moved
from streams.settings import GatewaySettings, HostChainSettings

GATEWAY = GatewaySettings(input_verification_address="0x" + "aa" * 20)


async def follow(follower: HostFollower) -> HostFollower:
    await told_by(follower)
    return follower


async def told_by(follower: HostFollower) -> int:
    """How many blocks it has to tell."""
    told = 0
    while count := await follower.step():
        told += count
    return told


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


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("length", [300, 2 * AUDIT_FACTS])
async def test_a_listener_tells_what_is_new_and_no_more_while_it_is_told_from_far_back(
    log: MemoryLog, host: HostChainSettings, clock: FakeClock, length: int, is_restarted: bool
) -> None:
    chain = FakeChain(length)
    follower = await follow(HostFollower(chain, log, host, clock, Metrics()))
    told: list[int] = []
    async for _ in blocks_again(chain, log, host, host.start_block):
        chain.mine(2)
        await clock.advance(AUDIT_S)
        told.append(
            await told_by(HostFollower(chain, log, host, clock, Metrics()) if is_restarted else follower)
        )
    assert set(told) == {2}


async def test_a_reorganisation_to_a_lower_head_is_followed_meanwhile(
    log: MemoryLog, host: HostChainSettings, clock: FakeClock
) -> None:
    chain = FakeChain(2 * AUDIT_FACTS)
    follower = await follow(HostFollower(chain, log, host, clock, Metrics()))
    telling = blocks_again(chain, log, host, host.start_block)
    await anext(telling)
    await clock.advance(AUDIT_S)
    chain.drop(20)
    assert await told_by(follower) == 0
    chain.mine(5)
    assert await told_by(follower) == 5
    await clock.advance(AUDIT_S)
    chain.mine(30)
    assert await told_by(follower) == 30


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_what_the_broker_lost_is_still_told_by_its_listener(
    log: MemoryLog, host: HostChainSettings, clock: FakeClock, is_restarted: bool
) -> None:
    chain = FakeChain(20)
    follower = await follow(HostFollower(chain, log, host, clock, Metrics()))
    chain.mine()
    log.drop_next(EVENTS)
    await follow(follower)
    chain.mine(3)
    await follow(follower)
    lost = chain.branch[20].hash
    async for _ in blocks_again(chain, log, host, 22):  # not what was lost itself
        chain.mine()
    await clock.advance(AUDIT_S)
    await follow(HostFollower(chain, log, host, clock, Metrics()) if is_restarted else follower)
    told = blocks_of(log, tenant_of(host))
    assert lost in {block.hash for block in told}
    assert {head.hash for head in chain.branch[host.start_block :]} <= {
        block.hash for block in connected(told)
    }


async def test_where_retention_took_all_that_listeners_told_they_go_on_behind_what_was_told_again(
    log: MemoryLog, host: HostChainSettings, clock: FakeClock
) -> None:
    chain = FakeChain(300)
    await follow(HostFollower(chain, log, host, clock, Metrics()))
    partition = log.partition_of(EVENTS, tenant_of(host).encode())
    log.expire(EVENTS, partition, (await log.bounds(EVENTS, partition))[1])
    assert [number async for number in blocks_again(chain, log, host, 200)] == [299]
    chain.mine(2)
    follower = HostFollower(chain, log, host, clock, Metrics())
    assert await told_by(follower) == 2
    await clock.advance(AUDIT_S)
    chain.mine(2)
    assert await told_by(follower) == 2


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_gateways_listener_tells_what_is_new_and_no_more_while_it_is_told_from_far_back(
    log: MemoryLog, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, is_restarted: bool
) -> None:
    monkeypatch.setattr(gateway, "BLOCKS_MAX", 1)  # more ranges of fewer blocks
    chain, router = FakeChain(2 * AUDIT_FACTS), Router({})

    def listener() -> GatewayFollower:
        return GatewayFollower(chain, log, GATEWAY, router, clock, Metrics())

    follower = listener()
    while await follower.step():
        pass
    telling = ranges_again(chain, log, GATEWAY, router, clock, 0)
    while await anext(telling) < 3 * AUDIT_FACTS // 2:
        pass
    before = len(ranges_of(log, GATEWAY_TENANT))
    chain.mine()
    await clock.advance(AUDIT_S)
    follower = listener() if is_restarted else follower
    while await follower.step():
        pass
    told = ranges_of(log, GATEWAY_TENANT)[before:]
    assert [found.to_block for found in told] == [2 * AUDIT_FACTS]


async def test_a_look_at_the_end_of_a_quiet_tenants_log_does_not_read_its_neighbours(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = CountingLog({EVENTS: 1, KEYSETS: 1})
    for _ in range(3_000):
        await log.append(EVENTS, key=b"neighbour", value=b"{}")
    await tell(log, [GATEWAY_TENANT])
    for_keys, log.reads = log.reads, 0
    monkeypatch.setattr(again, "RECORDS_MAX", 1_000)
    assert [to async for to in ranges_again(FakeChain(20), log, GATEWAY, Router({}), clock, 0)][-1] == 19
    assert log.reads <= for_keys + 1_001


async def test_ranges_above_the_head_are_refused_before_anything_is_told(
    log: MemoryLog, clock: FakeClock
) -> None:
    await announce(log, CrsAnnouncement(crs_id=b"c", digest=b"d", urls=()))
    telling = ranges_again(FakeChain(20), log, GATEWAY, Router({}), clock, 21)
    with pytest.raises(ConfigurationError, match="up to 19 only"):
        await anext(telling)
    assert facts_of(log, GATEWAY_TENANT) == []
    assert [to async for to in ranges_again(FakeChain(20), log, GATEWAY, Router({}), clock, 20)] == [19]
    assert ranges_of(log, GATEWAY_TENANT) == []


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


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_reorganisation_behind_what_a_log_begins_with_is_followed(
    log: MemoryLog, host: HostChainSettings, clock: FakeClock, is_restarted: bool
) -> None:
    chain = FakeChain(100)
    async for _ in blocks_again(chain, log, host, 50):
        pass
    follower = HostFollower(chain, log, host, clock, Metrics())
    chain.mine()
    await follow(follower)
    await clock.advance(AUDIT_S)
    chain.drop(5)
    chain.mine(7)
    await follow(HostFollower(chain, log, host, clock, Metrics()) if is_restarted else follower)
    told = blocks_of(log, tenant_of(host))
    assert [block.hash for block in told[-7:]] == [head.hash for head in chain.branch[-7:]]
    assert len(told) == 50 + 1 + 7
