"""A work message that the broker loses, refuses, or keeps although it said no: done once all the same."""

import pytest
from graph_world import GraphWorld
from test_owner import facts
from unit.domain import worlds

from streams.domain.lifecycle import WorkState
from streams.messages import topics

DEADLINE_S = 90.0  # more than what any item of these facts may wait in the pipe


async def done(world: GraphWorld) -> None:
    expected = worlds.run(facts())
    worlds.settle(expected)
    assert {row.state for row in world.items()} == {WorkState.DONE}
    assert worlds.settled(world.store.state) == worlds.settled(expected)


@pytest.mark.parametrize("work_class", ["tfhe", "zkproof", "sns", "sender"])
async def test_a_lost_message_is_sent_again_after_its_deadline(world: GraphWorld, work_class: str) -> None:
    world.log.drop_next(topics.WORK[work_class])
    async with world.process() as process:
        await world.publish(*facts())
        await process.live()
        assert {row.state for row in world.items() if row.work_class == work_class} > {WorkState.DISPATCHED}
        await world.clock.advance(DEADLINE_S)
        await world.beat_all()
        await process.live()
    await done(world)


@pytest.mark.parametrize("is_stored", [False, True])
@pytest.mark.parametrize("work_class", ["tfhe", "sender"])
async def test_a_refused_message_is_sent_again(world: GraphWorld, work_class: str, is_stored: bool) -> None:
    world.log.fail_next(topics.WORK[work_class], is_stored=is_stored)
    async with world.process() as process:
        await world.publish(*facts())
        await process.live()
        await world.clock.advance(5)
        await process.live()
    await done(world)
