"""An item goes to workers that have its key set; where none has it, it waits and is in nobody's way."""

from collections import Counter

import msgspec
import pytest
from graph_world import GraphWorld
from structlog.testing import capture_logs
from test_priorities import neighbour, shard
from test_standing import facts, states, until_quiet
from unit.domain.worlds import KEY, TENANT

from streams.domain.control import FeatureSwitch
from streams.domain.facts import Fact
from streams.domain.features import Feature
from streams.domain.lifecycle import WorkState
from streams.domain.work import ComputeWork
from streams.messages import codec, topics

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
        await world.beat("able", slots=1, partitions=[2], key_ids=[NEW, OLD])
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
