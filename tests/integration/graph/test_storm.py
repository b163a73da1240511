"""A storm of reorganisations on a real node: what our tables call canonical is what it says at its end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from live_graph import TENANT, LiveGraph, until
from storm_script import Said, Storm, said_by
from unit.domain import worlds

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.rpc import RpcClient
from streams.adapters.system import SystemClock
from streams.adapters.telemetry.metrics import Metrics
from streams.devnet import anvil
from streams.devnet import stack as devnet
from streams.domain.errors import Recoverable
from streams.messages import topics
from streams.services.listener.host import HostFollower

pytestmark = pytest.mark.stack

REORGANISATIONS = 30
SEED = 50_50
ITEMS = 4  # of a handle that is allowed: compute, squash, commit, publish


@pytest.fixture(scope="module")
def host_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    state_dir = tmp_path_factory.mktemp("chain")
    with ThreadPoolExecutor(max_workers=1) as pool:
        started = pool.submit(asyncio.run, devnet.start(state_dir, (anvil.HOST.name,))).result()
        yield started.host_http_url
        pool.submit(asyncio.run, devnet.remove(state_dir)).result()


@pytest.fixture
async def node(host_url: str) -> AsyncIterator[EthereumChain]:
    async with RpcClient(host_url) as rpc:
        yield EthereumChain(rpc)


async def drain(follower: HostFollower) -> None:
    """Step until there is nothing to do, as the service does."""
    is_done = False
    while not is_done:
        try:
            is_done = not await follower.step()
        except Recoverable:
            continue


async def test_canonical_effects_equal_the_nodes_after_a_storm(
    graph: LiveGraph, node: EthereumChain, host_url: str
) -> None:
    storm = Storm(node, SEED)
    await graph.start()
    await graph.publish(worlds.KEY)
    host = await storm.begin(host_url)
    followers = [HostFollower(node, graph.broker, host, SystemClock(), Metrics()) for _ in range(2)]
    assert followers[0].tenant == TENANT
    await drain(followers[0])
    turn = 0
    while storm.reorganisations < REORGANISATIONS:
        await storm.disturb()
        turn += 1
        if turn % 3:
            await drain(followers[0])
        if not turn % 7:  # it sees other blocks than the first, and the same ones later
            await drain(followers[1])
    await storm.end()
    for follower in followers:
        await drain(follower)
    _, end = await graph.broker.bounds(topics.EVENTS, graph.shard())
    await graph.until_applied(end)
    said = await said_by(node, host.start_block)
    assert await said_by_tables(graph) == said
    await check_storm(graph, said)
    await until_worked(graph, said)
    assert await graph.fetch("select kind, detail from alarms") == []
    assert await graph.fetch("select kind from divergences") == []


async def said_by_tables(graph: LiveGraph) -> Said:
    """Rows of canonical blocks."""
    blocks = await graph.fetch(
        "select number, hash from blocks where tenant = $1 and status = 'canonical'", TENANT
    )
    operations = await graph.fetch(
        "select c.* from computations c join blocks b on b.tenant = c.tenant and b.hash = c.block_hash "
        "where c.tenant = $1 and b.status = 'canonical'",
        TENANT,
    )
    allowances = await graph.fetch(
        "select a.* from allowed_handles a join blocks b on b.tenant = a.tenant and b.hash = a.block_hash "
        "where a.tenant = $1 and b.status = 'canonical'",
        TENANT,
    )
    return Said(
        blocks={row["number"]: row["hash"] for row in blocks},
        operations={
            (row["block_hash"], row["transaction_id"], row["log_index"], row["output_handle"])
            for row in operations
        },
        allowances={(row["block_hash"], row["handle"]) for row in allowances},
    )


async def check_storm(graph: LiveGraph, said: Said) -> None:
    """Reasons are counted over canonical blocks only, and the storm was one."""
    rows = await graph.fetch("select handle, reasons from handles where tenant = $1", TENANT)
    counted = {row["handle"]: row["reasons"] for row in rows}
    assert {handle: reasons for handle, reasons in counted.items() if reasons} == dict(said.reasons)
    assert 0 in counted.values(), "no allowance was withdrawn"
    orphans = await graph.fetch("select count(*) from blocks where tenant = $1 and status = 'side'", TENANT)
    assert orphans[0]["count"] > 100
    both = await graph.fetch(
        "select 1 from computations c join blocks b on b.tenant = c.tenant and b.hash = c.block_hash "
        "where c.tenant = $1 group by c.output_handle having count(distinct b.status) > 1",
        TENANT,
    )
    assert len(both) > 5, "too few handles are in both branches"


async def until_worked(graph: LiveGraph, said: Said) -> None:
    """Wait until every wanted handle that the chain computes has its effects, and no other has open work."""
    wanted = set(said.reasons)
    computed = {result for *_, result in said.operations}

    async def is_worked() -> bool:
        rows = await graph.fetch("select subject, kind, state from work_items where tenant = $1", TENANT)
        done = {(row["subject"], row["kind"]) for row in rows if row["state"] == "done"}
        finished = {handle for handle in wanted if sum(subject == handle for subject, _ in done) == ITEMS}
        is_open = {row["subject"] for row in rows if row["state"] not in ("done", "cancelled")}
        return wanted & computed <= finished and is_open <= wanted - computed

    await until(is_worked, "all wanted handles are computed, squashed, committed and published")
