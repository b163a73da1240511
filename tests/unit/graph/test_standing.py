"""Pauses and features by control.v1: what they hold back, what they do not, and what a restart remembers."""

from collections import Counter
from collections.abc import Iterable

import pytest
from graph_world import TENANT, GraphWorld, Process, honest
from unit.domain.worlds import CRS, KEY, Logs, block, h

from streams.domain.control import FeatureSwitch, Pause
from streams.domain.facts import Fact
from streams.domain.features import MEANINGS, Feature
from streams.domain.lifecycle import IN_FLIGHT, WorkState
from streams.domain.partition import partition_of
from streams.messages import codec, topics

THIS = Pause(scope="tenant", name=TENANT)


async def say(world: GraphWorld, word: Pause | FeatureSwitch, *, is_over: bool = False) -> None:
    value = None if is_over else codec.encode(word)
    await world.log.append(topics.CONTROL, key=codec.key_of(word), value=value)


def facts(names: Iterable[str], number: int = 1) -> list[Fact]:
    """One component per name, each in a transaction of its own."""
    logs = Logs()
    for name in names:
        logs.trivial(h(name), 1, tx=name).allow(h(name), tx=name)
    start = [block("0", 0, "-1", anchor=True), KEY, CRS] if number == 1 else []
    return [*start, block(str(number), number, str(number - 1), logs)]


def states(world: GraphWorld, work_class: str = "tfhe", tenant: str = TENANT) -> Counter[WorkState]:
    rows = (row for row in world.items() if row.work_class == work_class and row.tenant == tenant)
    return Counter(row.state for row in rows)


async def until_quiet(world: GraphWorld, process: Process) -> None:
    await process.settle()
    await world.clock.advance(1.1)
    await process.settle()


async def test_a_paused_tenant_is_applied_and_not_dispatched_until_it_is_resumed(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.beat("w")
        await say(world, THIS)
        await process.settle()
        await world.publish(*facts("ab"))
        await until_quiet(world, process)
        assert states(world) == {WorkState.READY: 2}
        assert world.next_off() == 4
        await say(world, THIS, is_over=True)
        await process.settle()
        assert states(world) == {WorkState.DISPATCHED: 2}


async def test_what_is_in_flight_of_a_paused_tenant_ends_and_nothing_follows_it(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.beat_all()
        await world.publish(*facts("a"))
        await process.settle()
        ((_, work),) = world.take_work("tfhe")
        await say(world, THIS)
        await world.answer(*honest(work))
        await until_quiet(world, process)
        assert states(world) == {WorkState.DONE: 1}
        assert states(world, "sns") == {WorkState.READY: 1}


async def test_another_tenant_has_all_the_credit_of_a_paused_one(world: GraphWorld) -> None:
    other = next(n for n in map(str, range(99)) if _shard(world, n) != world.shard)
    async with world.process([world.shard, _shard(world, other)]) as process:
        await say(world, THIS)
        names = [f"n{at}" for at in range(30)]
        await world.publish(*facts(names))
        await world.publish(*facts(names), tenant=other)
        await until_quiet(world, process)
        await world.beat("w", slots=5, partitions=range(8))
        await until_quiet(world, process)
        assert states(world, tenant=other)[WorkState.DISPATCHED] == 10
        assert states(world) == {WorkState.READY: 30}


async def test_a_paused_class_stands_still_and_others_go_on(world: GraphWorld) -> None:
    word = Pause(scope="class", name="sns")
    async with world.process() as process:
        await say(world, word)
        await world.beat_all()
        await world.publish(*facts("a"))
        await process.live()
        assert (states(world), states(world, "sns")) == ({WorkState.DONE: 1}, {WorkState.READY: 1})
        await say(world, word, is_over=True)
        await process.live()
        assert states(world, "sns") == states(world, "sender") == {WorkState.DONE: 1}


async def test_a_class_without_workers_that_beat_is_paused_too(world: GraphWorld) -> None:
    words = [Pause(scope="class", name=name) for name in ("sender", "publish")]
    async with world.process() as process:
        for word in words:
            await say(world, word)
        await world.publish(*facts("a"))
        await process.live()
        assert states(world, "sender") == states(world, "publish") == {WorkState.READY: 1}
        for word in words:
            await say(world, word, is_over=True)
        await process.live()
        assert states(world, "sender") == states(world, "publish") == {WorkState.DONE: 1}


async def test_a_new_process_dispatches_nothing_before_it_has_heard_of_the_pause(world: GraphWorld) -> None:
    await say(world, Pause(scope="class", name="publish"))
    await say(world, THIS)
    async with world.process() as process:
        await world.publish(*facts("a"))
        await until_quiet(world, process)
        process.shards._around.market.workers.is_known = False  # as at its start
        assert all(process.shards._around.market.most(row.work_class) == 0 for row in world.items())
    async with world.process() as process:
        await world.beat_all()
        await until_quiet(world, process)
        assert states(world) == {WorkState.READY: 1}
    assert world.take_work() == []


async def test_pausing_keeps_late_items_from_being_sent_again(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.beat("w")
        await world.publish(*facts("a"))
        await process.settle()
        assert len(world.take_work("tfhe")) == 1
        await say(world, THIS)
        await world.log.append(topics.CONTROL, key=b"worker/w", value=None)
        await world.beat("x")
        await until_quiet(world, process)
        assert states(world) == {WorkState.READY: 1}
        assert world.take_work("tfhe") == []


async def test_locality_is_switched_at_run_time(world: GraphWorld) -> None:
    word = FeatureSwitch(feature=Feature.LOCALITY, enabled=True)

    def at_home(names: list[str]) -> set[bool]:
        roots = {h(name) for name in names}
        rows = [row for row in world.items() if row.work_class == "tfhe" and row.subject in roots]
        return {row.partition == partition_of(row.affinity, 8) for row in rows if row.state in IN_FLIGHT}

    local, parallel = [f"l{at}" for at in range(40)], [f"p{at}" for at in range(40)]
    async with world.process() as process:
        await world.beat("w", slots=200, partitions=range(8))
        await say(world, word)
        await process.settle()
        await world.publish(*facts(local))
        await process.settle()
        assert at_home(local) == {True}
        await say(world, word, is_over=True)
        await process.settle()
        await world.publish(*facts(parallel, 2))
        await process.settle()
        assert at_home(parallel) == {True, False}


@pytest.mark.parametrize("is_on", [True, False])
async def test_turns_of_contracts_are_switched_at_run_time(world: GraphWorld, is_on: bool) -> None:
    word = FeatureSwitch(feature=Feature.CONTRACT_FAIRNESS, enabled=is_on)
    names = [f"n{at}" for at in range(40)]
    logs = Logs()
    for at, name in enumerate(names):
        logs.trivial(h(name), 1, tx=name, caller=bytes([at % 2 + 1]) * 20).allow(h(name), tx=name)
    async with world.process() as process:
        await say(world, word)
        await world.publish(*facts(()), block("2", 2, "1", logs))
        await until_quiet(world, process)
        await world.beat("w", slots=5, partitions=range(8))
        await until_quiet(world, process)
        sent = Counter(row.contract for row in world.items() if row.state is WorkState.DISPATCHED)
        assert sorted(sent.values()) == ([5, 5] if is_on else [10])


def test_every_feature_has_its_meaning() -> None:
    assert set(MEANINGS) == set(Feature)


def _shard(world: GraphWorld, tenant: str) -> int:
    return world.log.partition_of(topics.EVENTS, tenant.encode())
