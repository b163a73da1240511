"""Two host chains, one gateway, one graph: each tenant has its own facts, keys, requests and results."""

from collections.abc import Sequence

import pytest
from unit.domain.worlds import CALLER, CRS, KEY, Logs, h, request_log
from unit.graph.graph_world import GraphWorld
from unit.listener.fake_chain import FakeChain, blocks_of, facts_of, ranges_of

from streams.adapters.telemetry.metrics import Metrics
from streams.domain import items
from streams.domain.control import CrsAnnouncement, KeySetAnnouncement
from streams.domain.facts import GATEWAY_TENANT, CrsActivated, KeyActivated, Log
from streams.domain.lifecycle import ProofState, WorkState
from streams.domain.rows import BlockRow, BlockStatus, DigestRow, HandleRow, ProofRow, WorkRow
from streams.domain.work import AddMaterial, SendWork
from streams.messages.topics import EVENTS
from streams.services.host_listener import all_tenants
from streams.services.listener.gateway import GatewayFollower
from streams.services.listener.gateway_routes import Router
from streams.services.listener.host import HostFollower, tenant_of
from streams.services.listener.key_facts import announce, tell
from streams.settings import GatewaySettings, HostChainSettings

EXECUTOR, VERIFICATION = b"\x01" * 20, b"\x02" * 20  # where the logs of `worlds` come from
CHAINS = (12345, 777)
HOSTS = tuple(
    HostChainSettings(
        id=chain_id,
        http_url="http://unused",
        acl_address="0x" + acl * 20,
        executor_address="0x" + EXECUTOR.hex(),
    )
    for chain_id, acl in zip(CHAINS, ("aa", "bb"), strict=True)
)
OURS, OTHERS = map(tenant_of, HOSTS)
GATEWAY = GatewaySettings(input_verification_address="0x" + VERIFICATION.hex())


def on(chain_id: int, name: str) -> bytes:
    """A handle of that chain."""
    handle = h(name)
    return handle[:22] + chain_id.to_bytes(8, "big") + handle[30:]


def request(zk_proof_id: int, chain_id: int, index: int) -> Log:
    log = request_log(zk_proof_id, f"list{chain_id}".encode()).log
    topics = (*log.topics[:2], chain_id.to_bytes(32, "big"))
    return Log(address=VERIFICATION, topics=topics, data=log.data, transaction_hash=b"t", log_index=index)


class Deployment:
    """Two chains and a gateway, followed onto the log of a graph."""

    def __init__(self) -> None:
        self.world = GraphWorld()
        self.chains = {chain_id: FakeChain() for chain_id in CHAINS}
        self.gateway = FakeChain()
        metrics, clock, log = Metrics(), self.world.clock, self.world.log
        self.followers = [HostFollower(self.chains[host.id], log, host, clock, metrics) for host in HOSTS]
        router = Router({host.id: tenant_of(host) for host in HOSTS})
        self.requests = GatewayFollower(self.gateway, log, GATEWAY, router, clock, metrics)

    async def follow(self) -> None:
        for follower in self.followers:
            while await follower.step():
                pass
        while await self.requests.step():
            pass

    def shards(self) -> Sequence[int]:
        tenants = (OURS, OTHERS, GATEWAY_TENANT)
        return sorted({self.world.log.partition_of(EVENTS, tenant.encode()) for tenant in tenants})

    async def run(self) -> list[SendWork]:
        """What the graph makes of everything, with workers that answer; the calls that it asks for."""
        sent: list[SendWork] = []
        async with self.world.process(self.shards()) as process:
            for _ in range(20):
                await process.settle()
                await self.world.clock.advance(1.1)
                await self.world.beat_all()
                await process.settle()
                taken = self.world.take_work()
                if not taken:
                    break
                sent += [work for _, work in taken if isinstance(work, SendWork)]
                await self.world.answer_all(taken)
        return sent

    def done(self, tenant: str, kind: str) -> list[bytes]:
        rows = self.world.items(WorkState.DONE)
        return [row.subject for row in rows if (row.tenant, row.kind) == (tenant, kind)]


@pytest.fixture
async def deployment() -> Deployment:
    made = Deployment()
    log = made.world.log
    keys = {"digest": KEY.digest, "engine": KEY.engine, "release": KEY.release, "urls": ()}
    await announce(log, KeySetAnnouncement(key_id=KEY.key_id, **keys))
    await announce(log, CrsAnnouncement(crs_id=CRS.crs_id, digest=CRS.digest, urls=()))
    await tell(log, all_tenants(HOSTS))
    return made


async def test_each_chain_has_its_own_blocks_and_every_tenant_the_keys(deployment: Deployment) -> None:
    deployment.chains[12345].mine(3)
    deployment.chains[777].mine(5)
    await deployment.follow()
    log = deployment.world.log
    for host, length in zip(HOSTS, (4, 6), strict=True):
        found = blocks_of(log, tenant_of(host))
        assert [block.hash for block in found] == [head.hash for head in deployment.chains[host.id].branch]
        assert ({block.chain_id for block in found}, len(found)) == ({host.id}, length)
    for tenant in (OURS, OTHERS, GATEWAY_TENANT):
        known = [type(fact) for fact in facts_of(log, tenant)][:2]
        assert known == [KeyActivated, CrsActivated]


async def test_the_same_transaction_on_both_is_computed_once_for_each(deployment: Deployment) -> None:
    for chain_id, chain in deployment.chains.items():
        value, result = on(chain_id, "value"), on(chain_id, "sum")
        chain.mine(logs=Logs().trivial(value, chain_id).add(value, 1, result).allow(result).done())
    await deployment.follow()
    sent = await deployment.run()
    for tenant, chain_id in zip((OURS, OTHERS), CHAINS, strict=True):
        result = on(chain_id, "sum")
        assert deployment.done(tenant, items.COMPUTE) == [result]
        assert deployment.world.store.state.get(DigestRow, tenant, result) is not None
    calls = {work.tenant: work.call for work in sent}
    assert {t: call.handle for t, call in calls.items() if isinstance(call, AddMaterial)} == {
        OURS: on(12345, "sum"),
        OTHERS: on(777, "sum"),
    }


async def test_a_handle_that_both_chains_name_is_two_handles(deployment: Deployment) -> None:
    same = on(12345, "same")
    for chain_id, chain in deployment.chains.items():
        chain.mine(logs=Logs().trivial(same, chain_id).allow(same).done())
    await deployment.follow()
    await deployment.run()
    state = deployment.world.store.state
    first, second = (state.get(HandleRow, tenant, same) for tenant in (OURS, OTHERS))
    assert first is not None
    assert second is not None
    assert first.operation_digest != second.operation_digest
    assert (first.compute_item, bool(first.ct64_digest)) != (second.compute_item, False)


async def test_requests_of_the_gateway_go_to_the_tenant_of_their_chain(deployment: Deployment) -> None:
    deployment.gateway.mine(logs=[request(at + 1, chain, at) for at, chain in enumerate((*CHAINS, 999))])
    await deployment.follow()
    await deployment.run()
    proofs = {row.tenant: row for row in deployment.world.store.state.rows(ProofRow)}
    assert {tenant: (row.zk_proof_id, row.state) for tenant, row in proofs.items()} == {
        OURS: (1, ProofState.VERIFIED),
        OTHERS: (2, ProofState.VERIFIED),
        GATEWAY_TENANT: (3, ProofState.HELD),
    }
    answered = [row.tenant for row in deployment.world.items() if row.kind == items.PROOF_RESPONSE]
    assert sorted(answered) == sorted((OURS, OTHERS))
    assert all(ranges_of(deployment.world.log, tenant) for tenant in (OURS, OTHERS, GATEWAY_TENANT))


async def test_a_reorganisation_of_one_chain_leaves_the_other_alone(deployment: Deployment) -> None:
    for chain_id, chain in deployment.chains.items():
        handle = on(chain_id, "value")
        chain.mine(logs=Logs().trivial(handle, 1).allow(handle, account=CALLER).done())
    await deployment.follow()
    deployment.chains[12345].drop(1)
    deployment.chains[12345].mine(2)
    await deployment.follow()
    await deployment.run()
    state = deployment.world.store.state
    assert [row.tenant for row in state.rows(BlockRow) if row.status is BlockStatus.SIDE] == [OURS]
    computed = {row.tenant: row.state for row in state.rows(WorkRow) if row.kind == items.COMPUTE}
    assert computed == {OURS: WorkState.CANCELLED, OTHERS: WorkState.DONE}
