"""Facts that the log lost before they were applied: once they are told again, what comes out is right."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import msgspec
import pytest
from unit.domain.worlds import ACL, CRS, KEY, TENANT, Logs, h, request_log, settled
from unit.graph.graph_world import GraphWorld
from unit.listener.fake_chain import FakeChain, ranges_of

from streams.adapters.memory.clock import settle as let_run
from streams.adapters.memory.log import MemoryLog
from streams.adapters.telemetry.metrics import Metrics
from streams.domain.chain import ADOPTED_MAX
from streams.domain.control import CrsAnnouncement, KeySetAnnouncement
from streams.domain.errors import LogTruncated
from streams.domain.facts import GATEWAY_TENANT, Log
from streams.domain.rows import AlarmRow, BlockRow, DigestRow, ProofRow, TenantRow, WorkRow
from streams.messages.topics import EVENTS
from streams.services.graph.truncation import accept_loss
from streams.services.listener.again import blocks_again, ranges_again
from streams.services.listener.gateway import BLOCKS_MAX, QUIET_S, GatewayFollower
from streams.services.listener.gateway_routes import Router
from streams.services.listener.host import HostFollower
from streams.services.listener.key_facts import announce, tell
from streams.settings import GatewaySettings, HostChainSettings

VERIFICATION = b"\x02" * 20
HOST = HostChainSettings(
    id=12345,
    http_url="http://unused",
    acl_address="0x" + ACL.hex(),
    executor_address="0x" + "01" * 20,
    start_block=1,
)
GATEWAY = GatewaySettings(input_verification_address="0x" + VERIFICATION.hex(), start_block=2)


def request(zk_proof_id: int) -> Log:
    return msgspec.structs.replace(request_log(zk_proof_id).log, address=VERIFICATION)


async def listed(told: AsyncGenerator[int]) -> list[int]:
    return [number async for number in told]


class Deployment:
    """A chain and a gateway, followed onto the log of a graph."""

    def __init__(self) -> None:
        self.world, self.chain, self.gateway = GraphWorld(), FakeChain(2), FakeChain(2)
        self.router = Router({HOST.id: TENANT})
        self.restart()

    def restart(self) -> None:
        """Listeners that know nothing but the log."""
        clock, log = self.world.clock, self.world.log
        self.followers = (
            HostFollower(self.chain, log, HOST, clock, Metrics()),
            GatewayFollower(self.gateway, log, GATEWAY, self.router, clock, Metrics()),
        )

    @property
    def shards(self) -> Sequence[int]:
        tenants = (TENANT, GATEWAY_TENANT)
        return sorted({self.world.log.partition_of(EVENTS, tenant.encode()) for tenant in tenants})

    async def live(self, first: int, count: int = 3) -> None:
        """So many blocks of both chains, the first of each with something to do; told to the log."""
        value, result = h(f"value{first}"), h(f"sum{first}")
        self.chain.mine(1, Logs().trivial(value, first).add(value, 1, result).allow(result).done())
        self.gateway.mine(1, [request(first)])
        self.chain.mine(count - 1)
        self.gateway.mine(count - 1)
        await self.follow()

    async def follow(self) -> None:
        await self.world.clock.advance(QUIET_S)
        for follower in self.followers:
            while await follower.step():
                pass

    async def compute(self) -> None:
        """The graph and its workers, until there is nothing left to do."""
        async with self.world.process(self.shards) as process:
            for shard in self.shards:
                begin, _ = await self.world.log.bounds(EVENTS, shard)
                process.feed.start(shard, begin)
            await process.live()

    def lose(self) -> None:
        """Retention takes all that the log has."""
        for shard in self.shards:
            records = self.world.log.records(EVENTS, shard)
            self.world.log.expire(EVENTS, shard, records[-1].offset + 1)

    async def accept(self) -> None:
        for shard in self.shards:
            await accept_loss(self.world.store, self.world.log, EVENTS, shard)

    async def publish_again(self, block: int, gateway_block: int) -> None:
        log, clock = self.world.log, self.world.clock
        told = await listed(blocks_again(self.chain, log, HOST, block))
        assert told[-1] == len(self.chain.branch) - 1
        ranges = ranges_again(self.gateway, log, GATEWAY, self.router, clock, gateway_block)
        assert (await self.collected(asyncio.create_task(listed(ranges))))[-1] == len(self.gateway.branch) - 1

    async def collected(self, collecting: asyncio.Task[list[int]]) -> list[int]:
        """What a task gives while the time passes."""
        while not collecting.done():
            await self.world.clock.advance(QUIET_S)
        return collecting.result()

    @property
    def place(self) -> TenantRow:
        row = self.world.store.state.get(TenantRow, TENANT)
        assert row is not None
        return row

    def alarms(self) -> set[str]:
        return {row.kind for row in self.world.store.state.rows(AlarmRow)}

    def outcome(self) -> dict[str, list[object]]:
        """What came out, whatever the order in which facts came."""
        state = self.world.store.state
        return {
            "blocks": [(row.hash, row.status) for row in state.rows(BlockRow)],
            "work": [(row.id, row.tenant, row.kind, row.state) for row in state.rows(WorkRow)],
            "digests": [*state.rows(DigestRow)],
            "proofs": [(row.zk_proof_id, row.state, row.handles) for row in state.rows(ProofRow)],
        }


@pytest.fixture
async def deployment() -> Deployment:
    return await begun()


async def begun() -> Deployment:
    """With keys, and some blocks and ranges that are applied and computed."""
    made = await told()
    await made.compute()
    return made


async def told() -> Deployment:
    """With keys, and some blocks and ranges that only the log has."""
    made = Deployment()
    log = made.world.log
    keys = {"digest": KEY.digest, "engine": KEY.engine, "release": KEY.release, "urls": ()}
    await announce(log, KeySetAnnouncement(key_id=KEY.key_id, **keys))
    await announce(log, CrsAnnouncement(crs_id=CRS.crs_id, digest=CRS.digest, urls=()))
    await tell(log, [TENANT, GATEWAY_TENANT])
    await made.live(1)
    return made


async def spared(*counts: int) -> dict[str, list[object]]:
    """What comes out of a deployment that lives as long and loses nothing."""
    other = await begun()
    for first, count in enumerate(counts, 2):
        await other.live(first, count)
    await other.compute()
    return other.outcome()


@pytest.mark.parametrize("waiting", [3, 2 * ADOPTED_MAX])
@pytest.mark.parametrize("is_late", [False, True])
async def test_a_tenant_whose_facts_were_lost_goes_on_when_they_are_told_again(
    deployment: Deployment, is_late: bool, waiting: int
) -> None:
    await deployment.live(2)
    deployment.lose()
    await deployment.live(3, waiting)
    async with deployment.world.process(deployment.shards) as process:
        await process.settle()
        with pytest.raises(LogTruncated, match="cipherstream control publish-again"):
            await process.shards.failure

    place = deployment.place
    await deployment.accept()
    if is_late:
        await deployment.compute()
        assert deployment.alarms() == {"pending_parent", "gateway_range"}
        stood = (place.tip_number, place.gateway_number)
        assert (deployment.place.tip_number, deployment.place.gateway_number) == stood
    await deployment.publish_again(place.tip_number - 1, place.gateway_number + 1)
    await deployment.compute()
    assert deployment.alarms() == set()
    assert deployment.outcome() == await spared(3, waiting)

    await deployment.live(4)
    await deployment.compute()
    assert deployment.outcome() == await spared(3, waiting, 3)


@pytest.mark.parametrize("waiting", [3, 2 * ADOPTED_MAX])
async def test_a_log_that_lost_its_beginning_before_anybody_read_it_begins_where_it_did(waiting: int) -> None:
    deployment = await told()
    deployment.lose()
    await deployment.live(2, waiting)
    await deployment.accept()
    await deployment.compute()
    assert deployment.alarms() == {"pending_parent", "gateway_range"}
    await deployment.publish_again(HOST.start_block, GATEWAY.start_block)
    await deployment.compute()
    assert deployment.alarms() == set()
    assert deployment.outcome() == await spared(waiting)


async def test_facts_that_are_told_again_change_nothing(deployment: Deployment) -> None:
    await deployment.live(2)
    await deployment.compute()
    before = settled(deployment.world.store.state)
    await deployment.publish_again(HOST.start_block, 0)
    await deployment.compute()
    assert settled(deployment.world.store.state) == before
    deployment.restart()
    await deployment.live(3)
    await deployment.compute()
    assert deployment.outcome() == await spared(3, 3)


async def test_ranges_are_told_again_past_what_a_listener_told_meanwhile(deployment: Deployment) -> None:
    log, clock = deployment.world.log, deployment.world.clock
    deployment.gateway.mine(BLOCKS_MAX)
    await deployment.follow()
    ranges = ranges_again(deployment.gateway, log, GATEWAY, deployment.router, clock, 0)
    telling = asyncio.create_task(listed(ranges))
    await let_run()
    assert told_of(log)[-2:] == [(4, 104), (0, 100)]
    deployment.gateway.mine(2, [request(2)])
    await deployment.followers[1].step()
    assert told_of(log)[-1] == (104, 106)
    assert (await deployment.collected(telling))[-1] == 106
    assert told_of(log)[-1] == (100, 106)


def told_of(log: MemoryLog) -> list[tuple[int, int]]:
    return [(found.from_block, found.to_block) for found in ranges_of(log, TENANT)]
