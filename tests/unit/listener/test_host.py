"""A listener publishes every block once it is known, parents first, whatever happens in between."""

from collections.abc import Callable
from unittest.mock import AsyncMock

import pytest
from fake_chain import CountingLog, FakeChain, a_log, blocks_of

from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.log import MemoryLog
from streams.adapters.telemetry.metrics import Metrics
from streams.domain import facts
from streams.domain.errors import BrokerError, RpcError
from streams.messages.topics import EVENTS
from streams.services.listener.audit import AUDIT_S
from streams.services.listener.follower import BLOCKS_AT_ONCE, TooDeep, connected
from streams.services.listener.host import HostFollower, tenant_of
from streams.settings import HostChainSettings

ACL = bytes.fromhex("ac" * 20)
EXECUTOR = bytes.fromhex("ee" * 20)
KillAt = Callable[[str], type[BaseException]]


class Rig:
    """One chain and one log; listeners come and go."""

    def __init__(self, log: MemoryLog, host: HostChainSettings, clock: FakeClock) -> None:
        self.log, self.host, self.clock = log, host, clock
        self.chain = FakeChain(length=4)
        self.tenant = tenant_of(host)

    def listener(self, chain: FakeChain | None = None) -> HostFollower:
        return HostFollower(chain or self.chain, self.log, self.host, self.clock, Metrics())

    async def drain(self, follower: HostFollower | None = None) -> HostFollower:
        follower = follower or self.listener()
        while await follower.step():
            pass
        return follower

    def numbers(self) -> list[int]:
        return [block.number for block in blocks_of(self.log, self.tenant)]

    def assert_all_known(self) -> None:
        """The node's branch is in the log, each block once behind its parent."""
        known = {block.hash for block in connected(blocks_of(self.log, self.tenant))}
        assert {head.hash for head in self.chain.branch[self.host.start_block :]} <= known

    def assert_complete(self) -> None:
        """The node's branch is in the log, and no block before its parent."""
        found = blocks_of(self.log, self.tenant)
        seen: set[bytes] = set()
        for block in found:
            assert block.anchor or block.parent_hash in seen
            seen.add(block.hash)
        wanted = {head.hash for head in self.chain.branch[self.host.start_block :]}
        assert wanted <= seen


@pytest.fixture
def rig(log: MemoryLog, host: HostChainSettings, clock: FakeClock) -> Rig:
    return Rig(log, host, clock)


async def test_every_block_is_a_fact_and_the_first_is_the_anchor(rig: Rig) -> None:
    rig.chain.mine(40)
    await rig.drain()
    found = blocks_of(rig.log, rig.tenant)
    assert [block.number for block in found] == list(range(3, 44))
    assert [block.anchor for block in found] == [True] + [False] * 40
    assert all(block.logs == () for block in found)


async def test_a_chain_that_has_not_reached_the_start_block_is_waited_for(rig: Rig) -> None:
    rig.chain = FakeChain(length=2)
    follower = await rig.drain()
    assert rig.numbers() == []
    rig.chain.mine(3)
    await rig.drain(follower)
    assert rig.numbers() == [3, 4]


async def test_logs_are_those_of_our_contracts_in_order(rig: Rig) -> None:
    logs = [a_log(EXECUTOR, 4), a_log(b"\x01" * 20, 2), a_log(ACL, 1)]
    rig.chain.mine(1, logs)
    await rig.drain()
    last = blocks_of(rig.log, rig.tenant)[-1]
    assert [(log.log_index, log.address) for log in last.logs] == [(1, ACL), (4, EXECUTOR)]


async def test_data_beyond_the_limit_are_replaced_by_their_digest(rig: Rig) -> None:
    rig.chain.mine(1, [a_log(ACL, 0, bytes(facts.LOG_DATA_BYTES_MAX + 1))])
    await rig.drain()
    (log,) = blocks_of(rig.log, rig.tenant)[-1].logs
    assert log.data == b""
    assert log.omitted is not None
    assert log.omitted.size_bytes == facts.LOG_DATA_BYTES_MAX + 1


async def test_headers_are_the_same_from_every_listener(rig: Rig) -> None:
    await rig.drain()
    other = Rig(MemoryLog(), rig.host, rig.clock)
    await other.drain()
    (ours,), (theirs,) = rig.log.records(EVENTS), other.log.records(EVENTS)
    assert ours.headers == theirs.headers
    names = [name for name, _ in ours.headers]
    assert names == ["event-id", "schema", "content-type", "traceparent", "tenant"]


async def test_a_restarted_listener_reads_its_position_from_the_log(rig: Rig) -> None:
    await rig.drain()
    rig.chain.mine(5)
    await rig.drain()
    assert rig.numbers() == [3, 4, 5, 6, 7, 8]


async def test_a_reorganisation_publishes_the_new_branch_in_order(rig: Rig) -> None:
    rig.chain.mine(6)
    follower = await rig.drain()
    rig.chain.drop(4)
    rig.chain.mine(5)
    await rig.drain(follower)
    assert rig.numbers() == [*range(3, 10), *range(6, 11)]
    rig.assert_complete()


async def test_a_branch_that_comes_back_is_not_published_again(rig: Rig) -> None:
    rig.chain.mine(6)
    follower = await rig.drain()
    first = rig.chain.drop(3)
    rig.chain.mine(2)
    await rig.drain(follower)
    rig.chain.drop(2)
    rig.chain.restore(first)
    rig.chain.mine(1)
    await rig.drain(follower)
    assert rig.numbers() == [*range(3, 10), 7, 8, 10]
    rig.assert_complete()


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("mined", [0, 1, 6])
async def test_an_anchor_that_is_reorganised_leaves_its_place_to_the_new_branch(
    rig: Rig, mined: int, is_restarted: bool
) -> None:
    rig.chain.mine(mined)
    follower = await rig.drain()
    rig.chain.drop(mined + 2)
    rig.chain.mine(mined + 3)
    await rig.drain(None if is_restarted else follower)
    found = blocks_of(rig.log, rig.tenant)
    assert [block.number for block in found] == [*range(3, 4 + mined), *range(3, 5 + mined)]
    assert [at for at, block in enumerate(found) if block.anchor] == [0, mined + 1]
    rig.assert_complete()
    rig.chain.mine(2)
    await rig.drain()
    assert rig.numbers()[-2:] == [mined + 5, mined + 6]


async def test_an_anchor_deeper_than_the_limit_waits_for_the_operator(rig: Rig) -> None:
    rig.host = rig.host.model_copy(update={"reorg_depth_max": 5})
    rig.chain.mine(5)
    await rig.drain()
    rig.chain.drop(7)
    rig.chain.mine(8)
    with pytest.raises(TooDeep, match="raise reorg_depth_max"):
        await rig.drain()
    rig.host = rig.host.model_copy(update={"reorg_depth_max": 6})
    await rig.drain()
    rig.assert_complete()


async def test_a_reorganisation_beyond_the_limit_stops_the_process(rig: Rig) -> None:
    rig.chain.mine(80)
    follower = await rig.drain()
    rig.chain.drop(60)
    rig.chain.mine(65)
    with pytest.raises(TooDeep, match="no common block"):
        await follower.step()


async def test_a_node_that_is_away_changes_nothing(rig: Rig) -> None:
    follower = await rig.drain()
    rig.chain.mine(3)
    rig.chain.failures = 1
    with pytest.raises(RpcError):
        await follower.step()
    await rig.drain(follower)
    assert rig.numbers() == [3, 4, 5, 6]


@pytest.mark.parametrize("is_stored", [False, True])
async def test_a_delivery_error_stops_the_sequence_until_the_log_was_read(rig: Rig, is_stored: bool) -> None:
    follower = await rig.drain()
    rig.chain.mine(4)
    rig.log.fail_next(EVENTS, is_stored=is_stored)
    with pytest.raises(BrokerError):
        await follower.step()
    assert rig.numbers() == ([3, 4] if is_stored else [3])
    await rig.drain(follower)
    assert rig.numbers() == [3, 4, 5, 6, 7]


async def test_an_acknowledged_block_that_the_broker_lost_is_found_by_the_audit(
    rig: Rig, clock: FakeClock
) -> None:
    follower = await rig.drain()
    rig.chain.mine(1)
    rig.log.drop_next(EVENTS)
    await rig.drain(follower)
    rig.chain.mine(3)
    await rig.drain(follower)
    assert rig.numbers() == [3, 5, 6, 7]
    await clock.advance(AUDIT_S)
    await rig.drain(follower)
    assert rig.numbers() == [3, 5, 6, 7, 4, 5, 6, 7]


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("listeners", [1, 3])
async def test_the_audit_looks_behind_all_that_was_published_since_the_last_one(
    rig: Rig, clock: FakeClock, listeners: int, is_restarted: bool
) -> None:
    followers = [await rig.drain() for _ in range(listeners)]
    rig.chain.mine(1)
    rig.log.drop_next(EVENTS, listeners)
    for follower in followers:
        await rig.drain(follower)
    for _ in range(2_000 // BLOCKS_AT_ONCE):
        rig.chain.mine(BLOCKS_AT_ONCE)
        for follower in followers:
            await rig.drain(follower)
    await clock.advance(AUDIT_S)
    await rig.drain(None if is_restarted else followers[-1])
    rig.assert_all_known()


async def test_a_young_tenants_audit_does_not_read_its_neighbours(
    host: HostChainSettings, clock: FakeClock
) -> None:
    log = CountingLog()
    rig = Rig(log, host, clock)
    partition = log.partition_of(EVENTS, rig.tenant.encode())
    for _ in range(10_000):
        await log.append(EVENTS, key=b"neighbour", value=b"{}", partition=partition)
    rig.chain.mine(20)
    follower = await rig.drain()
    log.reads = 0
    await clock.advance(AUDIT_S)
    await rig.drain(follower)
    assert log.reads < 2_000
    assert rig.numbers() == list(range(3, 24))


async def test_what_retention_takes_while_it_is_read_is_read_again(
    rig: Rig, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.chain.mine(20)
    follower = await rig.drain()
    partition = rig.log.partition_of(EVENTS, rig.tenant.encode())
    bounds = rig.log.bounds(EVENTS, partition)
    monkeypatch.setattr(rig.log, "bounds", AsyncMock(return_value=await bounds))
    rig.log.expire(EVENTS, partition, 5)
    await clock.advance(AUDIT_S)
    with pytest.raises(BrokerError, match="became shorter"):
        await follower.step()
    monkeypatch.undo()
    rig.chain.mine(1)
    await rig.drain(follower)
    assert rig.numbers() == list(range(8, 25))


async def test_a_cut_sequence_of_parts_is_published_again_whole(rig: Rig, kill_at: KillAt) -> None:
    killed = kill_at("listener.between_parts")
    rig.chain.mine(1, [a_log(ACL, 0, bytes(600_000))])
    with pytest.raises(killed):
        await rig.drain()
    assert rig.numbers() == [3]
    await rig.drain()
    assert rig.numbers() == [3, 4]
    rig.assert_complete()


@pytest.mark.parametrize(
    "point", ["listener.read", "listener.produced", "listener.acknowledged", "listener.between_parts"]
)
async def test_a_kill_between_any_two_steps_loses_nothing(rig: Rig, kill_at: KillAt, point: str) -> None:
    rig.chain.mine(2)
    await rig.drain()
    rig.chain.mine(1, [a_log(ACL, 0, bytes(600_000))])
    rig.chain.mine(2)
    killed = kill_at(point)
    with pytest.raises(killed):
        await rig.drain()
    await rig.drain()
    rig.assert_complete()
    assert sorted(set(rig.numbers())) == list(range(3, 9))


async def test_a_kill_before_the_acknowledgement_is_heard_leaves_the_record(
    rig: Rig, kill_at: KillAt
) -> None:
    killed = kill_at("listener.produced")
    with pytest.raises(killed):
        await rig.drain()
    assert rig.numbers() == [3]


async def test_two_listeners_one_of_them_lagging_on_a_dead_branch(rig: Rig) -> None:
    rig.chain.mine(6)
    leader = await rig.drain()
    lagging_chain = FakeChain(length=4)
    lagging_chain.mine(6)
    laggard = await rig.drain(rig.listener(lagging_chain))
    rig.chain.drop(4)
    rig.chain.mine(8)
    lagging_chain.mine(3)
    await rig.drain(leader)
    await rig.drain(laggard)
    rig.chain.mine(2)
    await rig.drain(leader)
    rig.assert_complete()
    # The last record of the log is the laggard's: a new listener still finds the canonical branch.
    lagging_chain.mine(1)
    await rig.drain(laggard)
    rig.chain.mine(2)
    await rig.drain()
    rig.assert_complete()


async def test_a_lagging_listener_of_the_same_branch_only_repeats(rig: Rig) -> None:
    laggard = await rig.drain()
    rig.chain.mine(5)
    await rig.drain()
    await rig.drain(laggard)
    assert rig.numbers() == [3, *range(4, 9), *range(4, 9)]
    rig.assert_complete()
