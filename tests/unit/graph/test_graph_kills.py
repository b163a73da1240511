"""An owner is killed between two of its steps: the next one goes on, and the tables are the same."""

from collections.abc import Callable

import pytest
from graph_world import GraphWorld, Process
from test_owner import facts
from test_produce_faults import done
from unit.domain.worlds import CRS, KEY, block, gateway, request_log

from streams.domain.lifecycle import WorkState
from streams.domain.rows import WorkRow

KillAt = Callable[[str], type[BaseException]]
STEPS = (
    "graph.decided",
    "graph.committed",
    "dispatcher.claimed",
    "dispatcher.produced",
    "dispatcher.reported",
    "dispatcher.settled",
)
PROOFS = "work.zkproof.v1"


def assert_killed(process: Process, killed: type[BaseException]) -> None:
    assert process.shards.failure.done()
    assert isinstance(process.shards.failure.exception(), killed)


def claimed(world: GraphWorld) -> list[WorkRow]:
    return world.items(WorkState.CLAIMED)


@pytest.mark.parametrize("step", STEPS)
async def test_a_kill_after_any_step_changes_nothing(world: GraphWorld, kill_at: KillAt, step: str) -> None:
    killed = kill_at(step)
    async with world.process() as process:
        await world.publish(*facts())
        await process.live()
        assert_killed(process, killed)
    async with world.process() as process:
        await process.live()
    await done(world)


async def test_a_kill_with_messages_out_and_their_rows_not_committed_changes_nothing(
    world: GraphWorld, kill_at: KillAt
) -> None:
    async with world.process() as process:
        await world.publish(*facts()[:4])
        await process.live()
        killed = kill_at("express.produced")
        await world.publish(*facts()[4:])
        await process.live()
        assert_killed(process, killed)
    async with world.process() as process:
        await process.live()
    await done(world)


async def test_three_owners_die_over_one_claimed_item_and_the_fourth_sends_it(
    world: GraphWorld, kill_at: KillAt
) -> None:
    await world.beat_all()
    await world.publish(*facts())
    for step in ("dispatcher.claimed", "owner.claimed", "owner.swept"):
        killed = kill_at(step)
        async with world.process() as process:
            await process.settle()
            assert_killed(process, killed)
        assert claimed(world)
        assert world.take_work() == [], step
    async with world.process() as process:
        await process.live()
    await done(world)


async def test_what_a_sweep_had_claimed_is_sent_by_the_next_owner(world: GraphWorld, kill_at: KillAt) -> None:
    async with world.process() as process:
        await world.publish(*facts())
        await process.settle()
        assert claimed(world) == [], "nobody is there to do it"
        killed = kill_at("owner.swept")
        await world.beat_all()
        await process.settle()
        await world.clock.advance(1.1)
        await process.settle()
        assert_killed(process, killed)
    assert claimed(world)
    assert world.take_work() == []
    async with world.process() as process:
        await process.live()
    await done(world)


async def test_a_body_that_was_stored_for_nobody_is_stored_again_and_sent(
    world: GraphWorld, kill_at: KillAt
) -> None:
    killed = kill_at("dispatcher.sealed")
    await world.beat_all()
    await world.publish(
        block("0", 0, "-1", anchor=True), KEY, CRS, gateway(0, 5, request_log(1, bytes(300_000)))
    )
    async with world.process() as process:
        await process.settle()
        assert_killed(process, killed)
    assert [row.work_class for row in claimed(world)] == ["zkproof"]
    assert sent(world) == 0
    async with world.process() as process:
        await process.settle()
    assert claimed(world) == []
    assert sent(world) == 1


def sent(world: GraphWorld) -> int:
    """Records of proof requests, whose bodies are elsewhere."""
    return sum(len(world.log.records(PROOFS, partition)) for partition in range(8))
