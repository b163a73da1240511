"""What `[graph]` sets is what the service does."""

import msgspec
import pytest
from graph_world import GraphWorld
from structlog.testing import capture_logs
from unit.domain import worlds
from unit.domain.test_schedule import item
from unit.domain.worlds import CRS, KEY, Logs, block, h

from streams.domain.lifecycle import WorkState
from streams.domain.schedule import SLOW_LANE
from streams.services.graph.outgoing import first_batch
from streams.settings import GraphSettings, Settings

MARKED = "host_listener_slow_lane_marked_chains_total"


def waiting(world: GraphWorld) -> int:
    return sum(row.work_class == "tfhe" and row.state is WorkState.CLAIMED for row in world.items())


async def start(world: GraphWorld) -> None:
    logs = Logs()
    for at in range(5):
        logs.trivial(h(f"i{at}"), at, tx=f"t{at}").allow(h(f"i{at}"), tx=f"t{at}")
    await world.publish(block("0", 0, "-1", anchor=True), KEY, CRS, block("1", 1, "0", logs))


async def test_a_turn_publishes_no_more_than_a_batch() -> None:
    world = GraphWorld(settings=Settings(graph=GraphSettings(work_items_batch_size=2)))
    async with world.process() as process:
        await process.settle()
        await world.beat("w")
        for _ in range(5):
            world.log.fail_next("work.tfhe.v1")  # a turn that met an error waits before the next
        await start(world)
        await process.settle()
        assert waiting(world) == 5
        assert len(world.log._topics["work.tfhe.v1"].failures) == 3
        await process.live()
    assert {row.state for row in world.items()} == {WorkState.DONE}


async def test_a_turn_publishes_the_components_of_so_many_chains() -> None:
    world = GraphWorld(settings=Settings(graph=GraphSettings(dependence_chains_per_batch=3)))
    async with world.process() as process:
        await process.settle()
        await world.beat("w")
        for _ in range(5):
            world.log.fail_next("work.tfhe.v1")
        await start(world)
        await process.settle()
        assert waiting(world) == 5
        assert len(world.log._topics["work.tfhe.v1"].failures) == 2
        await process.live()
    assert {row.state for row in world.items()} == {WorkState.DONE}


def test_other_items_than_components_have_no_chain() -> None:
    settings = GraphSettings(dependence_chains_per_batch=1, work_items_batch_size=3)
    names = "abcd"
    compute = [item(name) for name in names]
    publish = [msgspec.structs.replace(item(name), work_class="publish") for name in names]
    assert first_batch(compute, settings) == compute[:1]
    assert first_batch(publish, settings) == publish[:3]
    assert first_batch([publish[0], *compute], settings) == [publish[0], compute[0]]


async def test_the_sweep_comes_as_often_as_it_is_set() -> None:
    world = GraphWorld(settings=Settings(graph=GraphSettings(worker_polling_interval_ms=5000)))
    async with world.process() as process:
        await process.settle()
        sweeps: list[int] = []
        found = world.store.demand

        async def demand(*arguments: object) -> list:
            sweeps.append(world.clock.now_ms())
            return await found(*arguments)

        world.store.demand = demand
        for _ in range(11):
            await world.clock.advance(1)
        assert len(sweeps) == 2


async def test_chains_of_more_operations_than_are_set_take_the_slow_lane() -> None:
    world = GraphWorld(settings=Settings(graph=GraphSettings(dependent_ops_max_per_chain=2)))
    logs = Logs().trivial(h("c0"), 1, tx="c0").allow(h("c0"), tx="c0")
    for at in range(2):
        logs.add(h(f"c{at}"), 1, h(f"c{at + 1}"), tx=f"c{at + 1}").allow(h(f"c{at + 1}"), tx=f"c{at + 1}")
    more = Logs().add(h("c2"), 1, h("c3"), tx="c3").allow(h("c3"), tx="c3")
    async with world.process() as process:
        await start(world)
        await process.live()
        await world.publish(block("2", 2, "1", logs))
        await process.live()
        await world.publish(block("3", 3, "2", more))  # its maker is no longer in memory
        await process.live()
        assert process.runtime.metrics.value(MARKED, {"chain_id": str(worlds.CHAIN)}) == 4
    lanes = {row.subject: row.priority for row in world.items() if row.work_class == "tfhe"}
    slow = {h(f"c{at}") for at in range(4)}
    assert {subject for subject, lane in lanes.items() if lane == SLOW_LANE} == slow
    assert {row.state for row in world.items()} == {WorkState.DONE}


async def test_an_item_is_counted_as_slow_once_whatever_happens_to_its_block() -> None:
    world = GraphWorld(settings=Settings(graph=GraphSettings(dependent_ops_max_per_chain=1)))
    logs = Logs().trivial(h("c0"), 1, tx="c0").add(h("c0"), 1, h("c1"), tx="c0").allow(h("c1"), tx="c0")
    async with world.process() as process:
        await start(world)
        await world.publish(block("2", 2, "1", logs))
        await process.live()
        for number, parent in ((2, "1"), (3, "2b"), (3, "2"), (4, "3")):  # away and back
            name = f"{number}b" if parent in ("1", "2b") else str(number)
            await world.publish(block(name, number, parent))
        await process.live()
        assert process.runtime.metrics.value(MARKED, {"chain_id": str(worlds.CHAIN)}) == 1


async def test_without_the_setting_no_chain_is_marked() -> None:
    world = GraphWorld()
    async with world.process() as process:
        await start(world)
        await world.publish(block("2", 2, "1", Logs().trivial(h("c0"), 1).allow(h("c0"))))
        await process.live()
        assert process.runtime.metrics.value(MARKED, {"chain_id": str(worlds.CHAIN)}) is None


@pytest.mark.parametrize(("said", "warnings"), [("MAX_SPEED", ["MAX_SPEED"]), ("MAX_LOCALITY", [])])
async def test_a_schedule_that_nobody_knows_is_told_at_the_start(
    monkeypatch: pytest.MonkeyPatch, said: str, warnings: list[str]
) -> None:
    monkeypatch.setenv("FHEVM_DF_SCHEDULE", said)
    with capture_logs() as lines:
        async with GraphWorld().process() as process:
            await process.settle()
    found = [line for line in lines if line["action"] == "schedule_unknown"]
    assert [line["value"] for line in found] == warnings
    assert {line["log_level"] for line in found} <= {"warning"}
