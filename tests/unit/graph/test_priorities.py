"""Priorities of tenants by control.v1: what they do to the order, and what they never do."""

from collections import Counter

import pytest
from graph_world import TENANT, GraphWorld, Process
from test_standing import facts, states, until_quiet

from streams.domain.control import Priority
from streams.domain.lifecycle import WorkState
from streams.messages import codec, topics

NAMES = [f"n{at}" for at in range(30)]


async def say(world: GraphWorld, word: Priority, *, is_over: bool = False) -> None:
    value = None if is_over else codec.encode(word)
    await world.log.append(topics.CONTROL, key=codec.key_of(word), value=value)


def neighbour(world: GraphWorld, *, is_same_shard: bool) -> str:
    """A tenant beside ours, in the same shard or in another."""
    return next(n for n in map(str, range(99)) if (shard(world, n) == world.shard) is is_same_shard)


def shard(world: GraphWorld, tenant: str) -> int:
    return world.log.partition_of(topics.EVENTS, tenant.encode())


async def with_work(world: GraphWorld, process: Process, *tenants: str) -> None:
    for tenant in tenants:
        await world.publish(*facts(NAMES), tenant=tenant)
    await until_quiet(world, process)


@pytest.mark.parametrize("is_same_shard", [True, False])
async def test_a_tenant_has_twice_the_workers_for_each_step_wherever_the_other_one_is(
    world: GraphWorld, is_same_shard: bool
) -> None:
    other = neighbour(world, is_same_shard=is_same_shard)
    async with world.process({world.shard, shard(world, other)}) as process:
        await say(world, Priority(tenant=TENANT, value=2))
        await with_work(world, process, TENANT, other)
        await world.beat("w", slots=10, partitions=range(8))  # 20 items in the pipe
        await until_quiet(world, process)
        ours, theirs = (states(world, tenant=tenant)[WorkState.DISPATCHED] for tenant in (TENANT, other))
        assert ours == 16
        assert 4 <= theirs <= 6  # between shards it is what waits that is weighed, and ours has become less


async def test_without_a_word_they_share_alike_and_so_they_do_when_it_is_taken_back(
    world: GraphWorld,
) -> None:
    other = neighbour(world, is_same_shard=False)
    word = Priority(tenant=TENANT, value=4)
    async with world.process({world.shard, shard(world, other)}) as process:
        await say(world, word)
        await say(world, word, is_over=True)
        await with_work(world, process, TENANT, other)
        await world.beat("w", slots=10, partitions=range(8))
        await until_quiet(world, process)
        assert states(world)[WorkState.DISPATCHED] == states(world, tenant=other)[WorkState.DISPATCHED] == 10


async def test_a_word_about_one_class_says_nothing_of_another(world: GraphWorld) -> None:
    other = neighbour(world, is_same_shard=True)
    async with world.process() as process:
        await say(world, Priority(tenant=TENANT, value=3, work_class="sns"))
        await with_work(world, process, TENANT, other)
        await world.beat("w", slots=10, partitions=range(8))
        await until_quiet(world, process)
        assert states(world)[WorkState.DISPATCHED] == 10
        standing = process.shards._around.market.workers.standing
        assert [standing.priority(name, TENANT) for name in ("tfhe", "sns")] == [0, 3]


async def test_the_least_of_all_is_done_beside_a_tenant_that_never_runs_out(world: GraphWorld) -> None:
    other = neighbour(world, is_same_shard=True)
    async with world.process() as process:
        await say(world, Priority(tenant=other, value=4))
        await say(world, Priority(tenant=TENANT, value=-4))
        await world.beat("w", slots=1, partitions=range(8))
        await world.publish(*facts(["least"]))
        await world.publish(*facts([f"more{at}" for at in range(300)]), tenant=other)
        await process.settle()
        done: Counter[str] = Counter()
        while not done[TENANT]:
            taken = world.take_work("tfhe")
            assert taken  # the other one has still work to do
            done.update(work.tenant for _, work in taken)
            await world.answer_all(taken)
            await until_quiet(world, process)
            await world.beat("w", slots=1, partitions=range(8))
        assert states(world, tenant=other)[WorkState.READY] > 0
