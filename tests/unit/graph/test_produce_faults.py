"""A work message that the broker loses, refuses, or keeps although it said no: done once all the same."""

import pytest
from graph_world import GraphWorld
from test_owner import facts
from unit.domain import worlds

from streams.domain.lifecycle import WorkState
from streams.domain.schedule import PIPE_WAIT_FACTOR, SENDER_WAIT_MS
from streams.domain.work import WorkClass
from streams.messages import topics

DEADLINE_S = 90.0  # more than what any item of these facts may wait in the pipe, but for the sender's
OUTAGE_S = 3600.0  # what the sender waits for without an answer
SENDER_DEADLINE_S = PIPE_WAIT_FACTOR * SENDER_WAIT_MS / 1000


async def done(world: GraphWorld) -> None:
    expected = worlds.run(facts())
    worlds.settle(expected)
    assert {row.state for row in world.items()} == {WorkState.DONE}
    assert worlds.settled(world.store.state) == worlds.settled(expected)


@pytest.mark.parametrize("work_class", ["tfhe", "zkproof", "sns"])
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


async def test_a_message_to_the_sender_stays_out_over_an_outage_and_is_sent_again_after_that(
    world: GraphWorld,
) -> None:
    lost = topics.WORK[WorkClass.SENDER]
    world.log.drop_next(lost)
    async with world.process() as process:
        await world.publish(*facts())
        await process.live()
    for pause_s, is_taken_back in ((OUTAGE_S, False), (SENDER_DEADLINE_S - OUTAGE_S + 60, True)):
        await world.clock.advance(pause_s)
        async with world.process() as process:
            await world.beat_all()
            await process.live()
        sent = [row for row in world.items() if row.work_class == WorkClass.SENDER]
        assert any(row.attempt for row in sent) is is_taken_back
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
