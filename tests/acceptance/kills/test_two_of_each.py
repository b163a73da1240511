"""Two processes of one service, of which one was away and believes that nothing has changed."""

import asyncio

import pytest
from baseline import Baseline
from harness import Bench, everything, until, without
from look import Look
from verdict import assert_same, play

from streams.adapters.ethereum.chain import ANYTHING

pytestmark = pytest.mark.stack
_LOWEST_EPOCH = "select coalesce(min(epoch), 0) from shard_owner"
_DEAD = "select status from blocks where hash = $1"


async def test_two_of_each_do_everything_once(bench: Bench, baseline: Baseline) -> None:
    members = everything(
        host_2="host-listener", gateway_2="gw-listener", graph_2="graph", sender_2="transaction-sender"
    )
    async with bench.round() as played, played.running(members):
        outcome = await play(played, baseline.script, baseline.inputs, baseline.handles)
    assert_same(outcome, baseline.outcome)


async def test_an_owner_that_was_away_writes_nothing_more(bench: Bench, baseline: Baseline) -> None:
    """It stands still before it publishes what it claimed, loses its shards, and goes on where it stood."""
    crashes = {"graph": "dispatcher.claimed"}
    async with bench.round(crashes, frozen=frozenset(crashes)) as played, Look(played).open() as look:

        async def is_taken_over() -> bool:
            return await look.value(_LOWEST_EPOCH) > 1

        async with played.running(), asyncio.TaskGroup() as group:
            job = group.create_task(play(played, baseline.script, baseline.inputs, baseline.handles))
            await until(look.is_reached, "the owner claims work")
            async with played.running({"graph-2": "graph"}):
                await until(is_taken_over, "another worker claims every shard")
                played.wake("graph")
                await job
                assert '"action": "fenced"' in played.log_of("graph")
    assert_same(job.result(), baseline.outcome)


async def test_a_listener_that_lags_on_a_dead_branch_is_harmless(bench: Bench, baseline: Baseline) -> None:
    """It stands still with a block in its hands that the chain then drops, and publishes it much later."""
    crashes = {"lagging": "listener.read"}
    async with (
        bench.round(crashes, frozen=frozenset(crashes)) as played,
        bench.chains() as (host, _),
        Look(played).open() as look,
    ):
        tip = (await host.head()).number
        async with played.running(without("host-listener")), asyncio.TaskGroup() as group:
            async with played.running({"first": "host-listener"}):
                await until(lambda: look.has_block(tip), "the log has the chain so far")
            await host.rpc.call("anvil_mine", (1,), ANYTHING)
            dead = await host.head()
            async with played.running({"lagging": "host-listener"}):
                await until(look.is_reached, "the listener has the block in its hands")
                await host.rpc.call("anvil_reorg", (1, []), ANYTHING)
                async with played.running({"host-listener": "host-listener"}):
                    inputs, expected = baseline.inputs, baseline.handles
                    job = group.create_task(play(played, baseline.script, inputs, expected))
                    await until(lambda: look.has_block(tip + 2), "the other branch is longer")
                    played.wake("lagging")
                    await until(lambda: look.has_hash(dead.hash), "the dead block is published")
                    await job
        assert await look.value(_DEAD, dead.hash) == "side"
    assert_same(job.result(), baseline.outcome)
