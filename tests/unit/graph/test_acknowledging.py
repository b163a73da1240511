"""Alarms that an operator knows of: no more counted as long as they say the same; rows are as they were."""

import msgspec
import pytest
from graph_world import TENANT, GraphWorld, Process
from structlog.testing import capture_logs

from streams.domain.control import AcknowledgedAlarm, Acknowledgement, detail_digest
from streams.domain.rows import HALTED, AlarmRow
from streams.messages import codec, topics


async def acknowledge(world: GraphWorld, process: Process, *alarms: AlarmRow, request: str = "r1") -> None:
    """`control acknowledge` of alarms of one kind, and what follows."""
    named = [
        AcknowledgedAlarm(subject=row.subject, detail_digest=detail_digest(row.detail)) for row in alarms
    ]
    word = Acknowledgement(
        tenant=TENANT, kind=alarms[0].kind, alarms=tuple(named), reason="known", request=request
    )
    await world.log.append(topics.CONTROL, key=codec.key_of(word), value=codec.encode(word))
    await process.live()


async def rubbish(world: GraphWorld, process: Process, count: int) -> list[AlarmRow]:
    """Records that nobody can read, and their alarms."""
    for _ in range(count):
        await world.log.append(topics.EVENTS, key=TENANT.encode(), value=b"\xff")
    await process.live()
    return world.store.state.rows(AlarmRow)


async def standing(world: GraphWorld) -> set[bytes]:
    return {alarm.subject for alarm in await world.store.alarms(TENANT, "undecodable")}


async def test_what_is_named_stands_no_more_and_the_rows_of_decisions_are_as_they_were(
    world: GraphWorld,
) -> None:
    async with world.process() as process:
        first, second = before = await rubbish(world, process, 2)
        with capture_logs() as lines:
            await acknowledge(world, process, first)
        assert world.store.state.rows(AlarmRow) == before
        assert await standing(world) == {second.subject}
        (told,) = [line for line in lines if line["action"] == "alarms_acknowledged"]
        assert (told["tenant"], told["kind"], told["count"], told["reason"]) == (
            TENANT,
            "undecodable",
            1,
            "known",
        )
        await rubbish(world, process, 1)
        assert len(await standing(world)) == 2


async def test_a_word_is_carried_out_once_however_often_it_is_read(world: GraphWorld) -> None:
    async with world.process() as process:
        (alarm,) = await rubbish(world, process, 1)
        await acknowledge(world, process, alarm)
    world.store.tables.acknowledged.clear()  # an operator took it back
    async with world.process() as process:  # reads control.v1 again
        await process.live()
        assert await standing(world) == {alarm.subject}
        await acknowledge(world, process, alarm, request="r2")
        assert await standing(world) == set()
    assert world.store.tables.requests == {"r1", "r2"}


async def test_words_wait_for_an_owner_none_in_the_place_of_another_or_of_a_resume(world: GraphWorld) -> None:
    async with world.process() as process:
        alarms = await rubbish(world, process, 2)
    async with world.process(shards=[]) as process:
        for number, alarm in enumerate(alarms):
            await acknowledge(world, process, alarm, request=f"r{number}")
        await world.command("resume")
        await process.live()
        assert world.store.tables.requests == set()
        await process.assign([world.shard])
        await process.live()
    assert world.store.tables.requests == {"r0", "r1", "resume"}
    assert await standing(world) == set()


async def test_an_alarm_may_come_after_the_word_about_it_as_in_a_replay(world: GraphWorld) -> None:
    async with world.process() as process:
        (alarm,) = await rubbish(world, process, 1)
    again = GraphWorld()
    async with again.process() as process:
        await acknowledge(again, process, alarm)
        assert await rubbish(again, process, 1) == [alarm]
        assert await standing(again) == set()
        other = msgspec.structs.replace(alarm, detail="something else")
        again.store.state.put(other)
        assert await standing(again) == {alarm.subject}


@pytest.mark.parametrize(
    ("kind", "reason", "action"),
    [(HALTED, "known", "acknowledgement_refused"), ("undecodable", "k\0", "control_skipped")],
)
async def test_what_the_command_never_says_is_refused_and_ends_nothing(
    world: GraphWorld, kind: str, reason: str, action: str
) -> None:
    async with world.process() as process:
        (alarm,) = await rubbish(world, process, 1)
        named = AcknowledgedAlarm(subject=alarm.subject, detail_digest=detail_digest(alarm.detail))
        word = Acknowledgement(tenant=TENANT, kind=kind, alarms=(named,), reason=reason, request="r1")
        await world.log.append(topics.CONTROL, key=codec.key_of(word), value=codec.encode(word))
        with capture_logs() as lines:
            await process.live()
        assert action in [line["action"] for line in lines]
        assert (world.store.tables.requests, world.store.tables.acknowledged) == (set(), set())
        await acknowledge(world, process, alarm, request="r2")
        assert await standing(world) == set()
