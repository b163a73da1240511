"""One shard from facts to done: what a live system does equals what its decisions say."""

import asyncio
from typing import Any

import pytest
from graph_world import TENANT, GraphWorld
from unit.domain import worlds
from unit.domain.worlds import CRS, KEY, Logs, block, gateway, h, request_log

from streams.domain.facts import Fact
from streams.domain.lifecycle import TERMINAL, WorkState
from streams.messages import topics
from streams.ports import Position
from streams.services.graph import shards


def facts() -> list[Fact]:
    """An anchor, keys, two blocks of operations, an input with a proof and one with a bad one."""
    first = Logs().trivial(h("a"), 5).trivial(h("b"), 7).add(h("a"), h("b"), h("c")).allow(h("c"))
    second = Logs().add(h("c"), 3, h("d")).allow(h("d"))
    return [
        block("0", 0, "-1", anchor=True),
        KEY,
        CRS,
        block("1", 1, "0", first),
        gateway(0, 2, request_log(1), request_log(2, b"bad", number=2)),
        block("2", 2, "1", second),
    ]


async def test_facts_become_work_and_results_end_it(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.publish(*facts())
        await process.live()
        assert {row.state for row in world.items()} == {WorkState.DONE}
        assert world.next_off() == len(facts())
        assert process.shards.busy == 0
    expected = worlds.run(facts())
    worlds.settle(expected)
    assert worlds.settled(world.store.state) == worlds.settled(expected)


async def test_every_event_is_acknowledged_once_it_is_applied(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.publish(*facts())
        await process.settle()
        assert process.feed.acknowledged[world.shard] == list(range(len(facts())))


async def test_a_committed_handle_is_announced(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.publish(*facts())
        await process.live()
    keys = {record.key for record in world.log.records(topics.CIPHERTEXTS)}
    assert {f"{TENANT}/{h('c').hex()}".encode(), f"{TENANT}/{h('d').hex()}".encode()} <= keys


async def test_without_a_live_worker_items_stay_ready(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.publish(*facts())
        await process.settle()
        await world.clock.advance(3)
        assert world.take_work("tfhe", "zkproof") == []
        assert {row.state for row in world.items() if row.work_class == "tfhe"} >= {WorkState.READY}
        await world.beat_all()
        await process.settle()
        assert world.take_work("tfhe")


@pytest.mark.parametrize("lost", [0, 3, 5])
async def test_an_event_lost_on_the_way_is_read_again(world: GraphWorld, lost: int) -> None:
    async with world.process() as process:
        process.feed.lost.add((world.shard, lost))
        await world.publish(*facts())
        await process.settle()
        await process.live()
        await world.clock.advance(5)
        await process.live()
        assert world.next_off() == len(facts())
        assert process.feed.seeks == [(world.shard, lost)]
        assert {row.state for row in world.items()} <= TERMINAL


async def test_an_event_that_comes_twice_counts_once(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.publish(*facts())
        await process.settle()
        await process.feed.seek(world.shard, 0)
        await process.live()
        assert world.next_off() == len(facts())
        assert worlds.settled(world.store.state)["blocks"] == worlds.settled(worlds.run(facts()))["blocks"]


async def test_a_next_process_goes_on_where_the_first_ended(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.publish(*facts()[:4])
        await process.settle()
    await world.publish(*facts()[4:])
    async with world.process() as process:
        await process.live()
        assert process.feed.seeks == []
    assert {row.state for row in world.items()} == {WorkState.DONE}


async def test_a_zombie_is_refused_and_lets_go(world: GraphWorld) -> None:
    async with world.process() as zombie, world.process() as owner:
        await world.publish(*facts())
        await zombie.settle()
        await owner.live()
        assert zombie.shards.owned == []
        assert owner.shards.owned == [world.shard]
        assert not zombie.shards.failure.done()
        await zombie.assign([world.shard])
        assert zombie.shards.owned == []  # it does not claim back at once
    assert {row.state for row in world.items()} == {WorkState.DONE}


async def test_results_that_are_there_before_the_item_count(world: GraphWorld) -> None:
    expected = worlds.run(facts())
    await world.answer(*worlds.settle(expected))
    await world.publish(*facts())
    async with world.process() as process:
        await process.live()
    assert worlds.settled(world.store.state) == worlds.settled(expected)


async def test_a_turn_that_waits_for_the_broker_holds_up_no_end(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_asked, append = asyncio.Event(), world.log.append

    async def unanswered(topic: str, **record: Any) -> Position:
        if topic in topics.WORK.values():
            is_asked.set()
            await asyncio.Event().wait()
        return await append(topic, **record)

    async with world.process() as process:
        await world.beat()
        await process.settle()
        with monkeypatch.context() as away:
            away.setattr(world.log, "append", unanswered)
            away.setattr(shards, "CLOSE_S", 0.05)
            await world.publish(*facts())
            async with asyncio.timeout(60):
                await is_asked.wait()
                await process.shards.close()
        assert not process.shards.busy
    async with world.process() as successor:
        await successor.live()
        assert {row.state for row in world.items()} == {WorkState.DONE}
