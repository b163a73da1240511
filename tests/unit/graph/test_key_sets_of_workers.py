"""An item goes to workers that have its key set; where none has it, it waits and is in nobody's way."""

from collections import Counter
from typing import Any

import msgspec
import pytest
from graph_world import GraphWorld
from structlog.testing import capture_logs
from test_priorities import neighbour, shard
from test_standing import facts, states, until_quiet
from unit.domain.worlds import KEY, TENANT

from streams.adapters.memory.store import MemoryTransaction
from streams.domain.control import FeatureSwitch
from streams.domain.facts import Fact
from streams.domain.features import Feature
from streams.domain.lifecycle import WorkState
from streams.domain.work import ComputeWork
from streams.messages import codec, topics
from streams.ports import Ready

LATER = msgspec.structs.replace(KEY, key_id=b"\x09" * 32, digest=b"\x08" * 32)
OLD, NEW = KEY.key_id, LATER.key_id
MANY = [f"n{at}" for at in range(30)]


def rotation(*names: str) -> list[Fact]:
    """Many components of the old key set, then these of the new one."""
    return [*facts(MANY), LATER, *facts(names, number=2)]


def sent(world: GraphWorld) -> list[tuple[int, bytes]]:
    """Partition and key set of each component that went out."""
    taken = world.take_work("tfhe")
    return [(record.partition, work.key_id) for record, work in taken if isinstance(work, ComputeWork)]


async def test_a_worker_without_the_key_set_gets_nothing_however_idle_it_looks(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.beat("bare", slots=40, partitions=[0], key_ids=[])
        await world.beat("other", slots=40, partitions=[1], key_ids=[NEW])
        await world.beat("able", slots=4, partitions=[2], key_ids=[NEW, OLD])
        await world.publish(*facts("abcdefgh"))
        await until_quiet(world, process)
    assert sent(world) == [(2, OLD)] * 8


async def test_where_none_has_it_the_item_waits_and_goes_with_the_first_beat_that_names_it(
    world: GraphWorld,
) -> None:
    async with world.process() as process:
        await world.publish(*facts("ab"))
        for _ in range(40):
            await world.beat("w", key_ids=[NEW])
            await world.clock.advance(3)
        await process.settle()
        waiting = [row for row in world.items() if row.work_class == "tfhe"]
        assert states(world) == {WorkState.READY: 2}
        assert {(row.attempt, row.uncomputable_counter) for row in waiting} == {(0, 0)}
        await world.beat("w", key_ids=[NEW, OLD])
        await process.settle()
        assert states(world) == {WorkState.DISPATCHED: 2}


async def test_what_waits_for_a_key_set_holds_up_nothing_of_its_own_contract(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.beat("w", slots=2, key_ids=[NEW])
        await world.publish(*rotation("x", "y", "z"))
        await until_quiet(world, process)
    assert Counter(key_id for _, key_id in sent(world)) == {NEW: 3}
    assert states(world) == {WorkState.READY: len(MANY), WorkState.DISPATCHED: 3}


async def test_what_waits_for_a_key_set_takes_no_share_from_other_shards(world: GraphWorld) -> None:
    other = neighbour(world, is_same_shard=False)
    async with world.process({world.shard, shard(world, other)}) as process:
        await world.publish(*facts(MANY), tenant=other)
        await world.publish(LATER, *facts(MANY)[:1], *facts(MANY)[3:])
        await until_quiet(world, process)
        await world.beat("w", slots=5, partitions=range(8), key_ids=[NEW])
        await until_quiet(world, process)
    assert states(world, tenant=other) == {WorkState.READY: len(MANY)}
    assert states(world, tenant=TENANT)[WorkState.DISPATCHED] == 10


async def test_new_items_go_at_once_while_others_wait_for_their_key_set(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.beat("w", slots=40, key_ids=[NEW])
        await world.publish(*rotation("x"))
        await until_quiet(world, process)
        await world.publish(*facts("yz", number=3))
        await process.settle()
    assert Counter(key_id for _, key_id in sent(world)) == {NEW: 3}


async def test_by_locality_an_item_whose_place_lacks_the_key_set_goes_to_one_that_has_it(
    world: GraphWorld,
) -> None:
    word = FeatureSwitch(feature=Feature.LOCALITY, enabled=True)
    await world.log.append(topics.CONTROL, key=codec.key_of(word), value=codec.encode(word))
    async with world.process() as process:
        await world.beat("lacking", slots=40, partitions=range(7), key_ids=[NEW])
        await world.beat("able", slots=40, partitions=[7], key_ids=[OLD])
        await world.publish(*facts("abcdefgh"))
        await until_quiet(world, process)
        assert sent(world) == [(7, OLD)] * 8


@pytest.mark.parametrize("beats", [1, 5])
async def test_that_nobody_has_a_key_set_is_said_once(world: GraphWorld, beats: int) -> None:
    with capture_logs() as logs:
        async with world.process() as process:
            await world.publish(*facts("ab"))
            for _ in range(beats):
                await world.beat("w", key_ids=[NEW])
                await until_quiet(world, process)
    found = [log for log in logs if log.get("action") == "key_without_worker"]
    assert [(log["work_class"], log["key_id"]) for log in found] == [("tfhe", OLD.hex())]


async def test_a_key_set_that_few_have_takes_no_credit_of_the_others(world: GraphWorld) -> None:
    """Its own items lie in one contract with those of the other key set, and before them."""
    async with world.process() as process:
        await world.publish(*facts(MANY), LATER, *facts([f"x{at}" for at in range(30)], number=2))
        await world.beat("few", slots=1, partitions=[0], key_ids=[OLD])
        await world.beat("many", slots=9, partitions=[1], key_ids=[NEW])
        await until_quiet(world, process)
        assert Counter(sent(world)) == {(0, OLD): 2, (1, NEW): 18}
        # What the few have is full, and stays so: others go on all the same.
        await world.publish(*facts("yz", number=3))
        await until_quiet(world, process)
        assert sent(world) == []


async def test_what_ends_makes_room_for_items_of_its_own_workers(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.publish(*facts(MANY), LATER, *facts([f"x{at}" for at in range(30)], number=2))
        await world.beat("few", slots=1, partitions=[0], key_ids=[OLD])
        await world.beat("many", slots=4, partitions=[1], key_ids=[NEW])
        await until_quiet(world, process)
        taken = world.take_work("tfhe")
        await world.answer_all([one for one in taken if one[0].partition == 1][:3])
        await process.settle()
        assert Counter(sent(world)) == {(1, NEW): 3}
        await world.answer_all([one for one in taken if one[0].partition == 0])
        await process.settle()
        assert Counter(sent(world)) == {(0, OLD): 2}


async def test_who_has_all_key_sets_is_given_no_more_than_its_slots_allow(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.publish(*facts(MANY), LATER, *facts([f"x{at}" for at in range(30)], number=2))
        await world.beat("old", slots=2, partitions=[0], key_ids=[OLD])
        await world.beat("both", slots=3, partitions=[1], key_ids=[OLD, NEW])
        await until_quiet(world, process)
        found = sent(world)
        assert Counter(partition for partition, _ in found) == {0: 4, 1: 6}
        assert {key_id for partition, key_id in found if partition == 0} == {OLD}


async def test_the_part_of_a_shard_is_weighed_by_what_the_workers_can_do(world: GraphWorld) -> None:
    """A shard with few items of a key set has all of the workers of that key set, if no other one has any."""
    other = neighbour(world, is_same_shard=False)
    async with world.process({world.shard, shard(world, other)}) as process:
        await world.publish(*facts(MANY), tenant=other)
        await world.publish(LATER, *facts(MANY)[:1], *facts("abcd")[3:])
        await world.beat("old", slots=3, partitions=[0], key_ids=[OLD])
        await world.beat("new", slots=3, partitions=[1], key_ids=[NEW])
        await until_quiet(world, process)
        assert Counter(sent(world)) == {(0, OLD): 6, (1, NEW): 4}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Classes whose queue was asked, from here on."""
    found: list[str] = []
    ready = MemoryTransaction.ready

    async def asking(tx: MemoryTransaction, work_class: str, *how: Any, **more: Any) -> Ready:
        found.append(work_class)
        return await ready(tx, work_class, *how, **more)

    monkeypatch.setattr(MemoryTransaction, "ready", asking)
    return found


async def test_the_queue_is_not_asked_for_items_that_nobody_can_do(
    world: GraphWorld, asked: list[str]
) -> None:
    async with world.process() as process:
        await world.beat("w", slots=40, key_ids=[NEW])
        await world.publish(*facts("ab"))
        await until_quiet(world, process)
        asked.clear()
        await world.publish(*facts("cd", number=2))
        await process.settle()
        assert states(world) == {WorkState.READY: 4}
        assert "tfhe" not in asked


@pytest.mark.parametrize(("partitions", "is_asked"), [([], False), ([0], True)])
async def test_the_queue_is_not_asked_before_a_worker_can_be_sent_anything(
    world: GraphWorld, asked: list[str], partitions: list[int], *, is_asked: bool
) -> None:
    async with world.process() as process:
        await world.beat("w", slots=40, partitions=partitions, key_ids=[OLD])
        await world.publish(*facts("ab"))
        await until_quiet(world, process)
        assert ("tfhe" in asked) is is_asked
