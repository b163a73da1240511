"""Work on its way out: reports, drops, deadlines, lost workers, credit, fairness and placement."""

from collections import Counter

import pytest
from graph_world import TENANT, GraphWorld, Process, honest
from unit.domain.worlds import CRS, KEY, Logs, block, gateway, h, request_log

from streams.domain.errors import Irrecoverable
from streams.domain.facts import Fact
from streams.domain.lifecycle import IN_FLIGHT, WorkState
from streams.domain.results import Failed, Started
from streams.domain.rows import WorkRow
from streams.messages import claim_check, topics
from streams.settings import EngineSettings, Settings

TFHE = "work.tfhe.v1"


def items(count: int, number: int = 1) -> list[Fact]:
    """Facts that make so many equal components without inputs."""
    logs = Logs()
    for index in range(count):
        name = h(f"i{number}/{index}")
        logs.trivial(name, index, tx=f"tx{index}").allow(name, tx=f"tx{index}")
    return [block("0", 0, "-1", anchor=True), KEY, CRS, block(str(number), number, "0", logs)]


def tfhe(world: GraphWorld) -> list[WorkRow]:
    return [row for row in world.items() if row.work_class == "tfhe"]


async def publish(world: GraphWorld, process: Process, count: int) -> None:
    await process.settle()
    await world.publish(*items(count))
    await process.settle()


async def test_dispatched_follows_the_delivery_report(world: GraphWorld) -> None:
    async with world.process() as process:
        world.log.fail_next(TFHE)
        await world.beat("w")
        await publish(world, process, 1)
        assert [row.state for row in tfhe(world)] == [WorkState.CLAIMED]
        assert process.shards.busy == 1
        await world.clock.advance(1)
        await process.settle()
        assert [row.state for row in tfhe(world)] == [WorkState.DISPATCHED]
        assert len(world.take_work("tfhe")) == 1


async def test_a_report_that_never_told_of_a_stored_record_repeats_it(world: GraphWorld) -> None:
    async with world.process() as process:
        world.log.fail_next(TFHE, is_stored=True)
        await world.beat("w")
        await publish(world, process, 1)
        await world.clock.advance(1)
        await process.settle()
        (_, first), (_, second) = world.take_work("tfhe")
        assert first == second
        await world.answer(*honest(first), *honest(second))
        await process.settle()
        assert [row.state for row in tfhe(world)] == [WorkState.DONE]


async def test_a_message_that_got_lost_is_sent_again_after_its_deadline(world: GraphWorld) -> None:
    async with world.process() as process:
        world.log.drop_next(TFHE)
        await world.beat("w")
        await publish(world, process, 1)
        assert [row.state for row in tfhe(world)] == [WorkState.DISPATCHED]
        for _ in range(33):
            await world.beat("w")
            await world.clock.advance(1)
        await process.settle()
        ((_, work),) = world.take_work("tfhe")
        assert work.attempt == 1


async def test_started_gives_the_worker_its_own_time(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.beat("w")
        await publish(world, process, 1)
        ((_, work),) = world.take_work("tfhe")
        await world.answer(Started(item=work.item, attempt=0, worker="w", timeout_ms=180_000))
        for _ in range(200):
            await world.beat("w")
            await world.clock.advance(1)
        assert world.take_work("tfhe") == []
        for _ in range(15):
            await world.beat("w")
            await world.clock.advance(1)
        await process.settle()
        assert [work.attempt for _, work in world.take_work("tfhe")] == [1]


async def test_items_of_a_silent_worker_go_to_another(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.beat("silent", partitions=[0])
        await publish(world, process, 2)
        assert {record.partition for record, _ in world.take_work("tfhe")} == {0}
        for _ in range(6):
            await world.clock.advance(3)
            await world.beat("other", partitions=[1])
        await process.settle()
        again = world.take_work("tfhe")
        assert {record.partition for record, _ in again} == {1}
        assert {row.worker for row in tfhe(world)} == {"other"}


async def test_a_farewell_frees_the_items_at_once(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.beat("going")
        await publish(world, process, 2)
        await world.log.append(topics.CONTROL, key=b"worker/going", value=None)
        await process.settle()
        assert {row.state for row in tfhe(world)} == {WorkState.READY}


async def test_late_work_that_nothing_wants_any_more_is_cancelled(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.beat("w")
        await publish(world, process, 1)
        await world.publish(block("1b", 1, "0"), block("2b", 2, "1b"))
        await process.settle()
        await world.log.append(topics.CONTROL, key=b"worker/w", value=None)
        await process.settle()
        assert [row.state for row in tfhe(world)] == [WorkState.CANCELLED]


async def test_an_item_that_takes_its_workers_along_has_to_wait(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.beat("w")
        await publish(world, process, 1)
        for deaths in range(1, 5):
            await world.log.append(topics.CONTROL, key=b"worker/w", value=None)
            await process.settle()
            (row,) = tfhe(world)
            assert (row.attempt, row.not_before_ms > world.clock.now_ms()) == (deaths, deaths > 3)
            await world.beat("w")
            await process.settle()
        assert [row.state for row in tfhe(world)] == [WorkState.READY]


async def test_a_message_that_no_reader_takes_fails_its_item(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise Irrecoverable("a work message of 99 GB")

    monkeypatch.setattr(claim_check, "close", refuse)
    async with world.process() as process:
        await world.beat("w")
        await publish(world, process, 1)
        await process.live()
        (row,) = tfhe(world)
    assert (row.state, row.cause) == (WorkState.FAILED, "Irrecoverable: a work message of 99 GB")
    assert len(world.log.records(topics.DLQ)) == 1


async def test_an_object_store_that_is_away_holds_up_only_what_needs_it(world: GraphWorld) -> None:
    large = gateway(0, 5, *(request_log(number, bytes(300_000) + bytes((number,))) for number in range(1, 4)))
    world.blobs.fail_next(1_000_000)
    async with world.process() as process:
        await world.beat_all()
        await process.settle()
        await world.publish(*items(1)[:3], large)
        await process.settle()
        await world.publish(*items(3)[3:])
        await process.settle()  # no time passes: nothing waits for the store
        assert len(world.take_work("tfhe")) == 3
        assert {row.state for row in world.items() if row.work_class == "zkproof"} == {WorkState.READY}
        assert process.runtime.health.snapshot().dependencies["object_store"] == "fail"
        for _ in range(30):
            await world.clock.advance(1)
            await world.beat_all()
        world.blobs.recover()
        for _ in range(7):
            await world.clock.advance(1)
            await world.beat_all()
        await process.settle()
        assert sum(len(world.log.records("work.zkproof.v1", place)) for place in range(8)) == 3
        proofs = [row for row in world.items() if row.work_class == "zkproof"]
        assert {(row.state, row.uncomputable_counter) for row in proofs} == {(WorkState.DISPATCHED, 0)}
        assert process.runtime.health.snapshot().dependencies["object_store"] == "ok"


async def test_an_item_of_which_no_message_can_be_made_keeps_nobody(world: GraphWorld) -> None:
    odd = next(
        f"{n}.not-an-address" for n in range(99) if _shard(world, f"{n}.not-an-address") == world.shard
    )
    async with world.process() as process:
        await world.publish(KEY, CRS, gateway(0, 5, request_log(1)), tenant=odd)
        await world.publish(*items(3), gateway(0, 5, request_log(1)))
        await world.beat_all()
        await process.settle()
        assert Counter(work.tenant for _, work in world.take_work()) == {TENANT: 4}
        assert process.shards.owned == [world.shard]
        (proof,) = (row for row in world.items() if row.tenant == odd and row.kind == "proof")
        assert (proof.state, proof.attempt > 0) == (WorkState.READY, True)


async def test_a_missing_message_frees_the_credit_and_is_tried_again(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.beat("w")
        await process.settle()
        await world.publish(*items(1)[:3])
        await process.settle()
        lost = WorkRow(
            tenant=TENANT,
            id="lost",
            work_class="tfhe",
            kind="compute",
            subject=b"",
            affinity=b"",
            contract=b"",
            cost_ms=1,
            state=WorkState.READY,
        )
        world.store.state.put(lost)
        world.store.tables.shards[TENANT, "lost"] = world.shard
        await world.clock.advance(1.1)
        await process.settle()
        (row,) = tfhe(world)
        assert row.state in (WorkState.READY, WorkState.CANCELLED)
        assert world.take_work("tfhe") == []


@pytest.mark.parametrize("category", ["recoverable", "of a newer release"])
async def test_a_recoverable_failure_waits_its_pause(world: GraphWorld, category: str) -> None:
    async with world.process() as process:
        await world.beat("w")
        await publish(world, process, 1)
        ((_, work),) = world.take_work("tfhe")
        base = {"item": work.item, "attempt": 0, "worker": "w"}
        await world.answer(Failed(**base, category=category, error="KeyMissing", message=""))
        await process.settle()
        assert [row.state for row in tfhe(world)] == [WorkState.READY]
        assert world.take_work("tfhe") == []
        for _ in range(3):
            await world.beat("w")
            await world.clock.advance(1)
        await process.settle()
        assert [work.attempt for _, work in world.take_work("tfhe")] == [1]


async def test_the_pipe_holds_two_rounds_of_all_slots(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.beat("w", slots=3)
        await publish(world, process, 20)
        assert sum(row.state in IN_FLIGHT for row in tfhe(world)) == 6
        (_, work), *_ = world.take_work("tfhe")
        await world.answer(*honest(work))
        await process.settle()
        assert sum(row.state in IN_FLIGHT for row in tfhe(world)) == 6
        assert sum(row.state is WorkState.DONE for row in tfhe(world)) == 1


async def test_twenty_equal_items_are_shared_by_two_workers(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.beat("w1", slots=2, partitions=range(4))
        await world.beat("w2", slots=2, partitions=range(4, 8))
        await publish(world, process, 20)
        done: Counter[bool] = Counter()
        while taken := world.take_work("tfhe"):
            for record, work in taken:
                done[record.partition < 4] += 1
                await world.answer(*honest(work))
            await process.settle()
        assert sum(done.values()) == 20
        assert min(done.values()) >= 8


async def test_what_a_worker_gets_of_a_block_lies_in_one_partition_and_the_next_block_in_another(
    world: GraphWorld,
) -> None:
    async with world.process() as process:
        await world.beat("w", slots=40, partitions=range(8))
        await publish(world, process, 12)
        first = Counter(record.partition for record, _ in world.take_work("tfhe"))
        logs = Logs().trivial(h("n"), 1, tx="n").allow(h("n"), tx="n")
        await world.publish(block("2", 2, "1", logs))
        await process.settle()
        second = Counter(record.partition for record, _ in world.take_work("tfhe"))
        assert (list(first.values()), list(second.values())) == ([12], [1])
        assert not first.keys() & second.keys()


async def test_locality_sends_a_component_where_its_root_lies() -> None:
    world = GraphWorld(settings=Settings(engine=EngineSettings(schedule="MAX_LOCALITY")))
    async with world.process() as process:
        await world.beat("w", slots=40, partitions=range(8))
        await publish(world, process, 12)
        for record, work in world.take_work("tfhe"):
            (row,) = (row for row in tfhe(world) if row.id == work.item)
            assert record.partition == world.log.partition_of(TFHE, row.affinity)


async def test_credit_is_shared_by_the_shards_that_want_it(world: GraphWorld) -> None:
    other = next(n for n in map(str, range(99)) if _shard(world, n) != world.shard)
    async with world.process([world.shard, _shard(world, other)]) as process:
        await world.publish(*items(30))
        await world.publish(*items(30), tenant=other)
        await process.settle()
        await world.clock.advance(1.1)  # a sweep tells each shard what the other wants
        await world.beat("w", slots=5, partitions=range(8))
        await process.settle()
        in_flight = Counter(row.tenant for row in tfhe(world) if row.state in IN_FLIGHT)
        assert in_flight == {TENANT: 5, other: 5}


async def test_a_new_owner_publishes_what_the_one_before_claimed(world: GraphWorld) -> None:
    async with world.process() as process:
        for _ in range(3):
            world.log.fail_next(TFHE)
        await world.beat("w")
        await publish(world, process, 3)
        assert {row.state for row in tfhe(world)} == {WorkState.CLAIMED}
    assert world.take_work("tfhe") == []
    async with world.process() as process:
        await process.settle()
        assert {row.state for row in tfhe(world)} == {WorkState.DISPATCHED}
        assert {row.epoch for row in tfhe(world)} == {2}
    assert len(world.take_work("tfhe")) == 3


def _shard(world: GraphWorld, tenant: str) -> int:
    return world.log.partition_of(topics.EVENTS, tenant.encode())
