"""Credit is lent while its owner has no work, and given back as soon as it has some."""

import pytest
from graph_world import TENANT, GraphWorld, Process
from test_priorities import neighbour, shard
from test_standing import facts, states, until_quiet

from streams.domain.lifecycle import WorkState

NAMES = [f"n{at}" for at in range(80)]
SLOTS = 10
CREDIT = 2 * SLOTS  # what the workers have and what waits for them in the pipe


async def a_round(world: GraphWorld, process: Process) -> None:
    """The workers answer everything that they have."""
    await world.answer_all(world.take_work("tfhe"))
    await world.beat("w", slots=SLOTS, partitions=range(8))
    await until_quiet(world, process)


@pytest.mark.parametrize("is_same_shard", [True, False])
async def test_who_lent_its_credit_has_its_share_again_when_it_has_work(
    world: GraphWorld, is_same_shard: bool
) -> None:
    other = neighbour(world, is_same_shard=is_same_shard)
    async with world.process({world.shard, shard(world, other)}) as process:
        await world.publish(*facts(NAMES), tenant=other)
        await a_round(world, process)
        assert states(world, tenant=other)[WorkState.DISPATCHED] == CREDIT

        await world.publish(*facts(NAMES[CREDIT:]))  # as much as the other one has left
        await until_quiet(world, process)
        await a_round(world, process)
        for tenant in (TENANT, other):  # between shards it is what waits that is weighed
            assert states(world, tenant=tenant)[WorkState.DISPATCHED] == pytest.approx(SLOTS, abs=1)
