"""A worker's group on the real broker: nothing is lost, nothing is committed before it is finished."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from streams.adapters.held_work import HeldWork
from streams.adapters.kafka.log import KafkaLog
from streams.adapters.kafka.work_source import KafkaWorkSource
from streams.settings import KafkaSettings

pytestmark = pytest.mark.stack

GROUP = "workers"
LIMIT_S = 60  # of a wait; far above what it takes
ROOT = Path(__file__).parents[3]
MEMBER = Path(__file__).with_name("member.py")


class Member:
    """A source with a task that takes what it gives."""

    def __init__(self, kafka: KafkaSettings, topic: str, slots: int) -> None:
        self.rebalances = 0
        self.taken: list[HeldWork] = []
        self._moved = asyncio.Event()
        self.source = KafkaWorkSource(kafka, topic, GROUP, slots, self._rebalanced)
        self._task = asyncio.ensure_future(self._take())

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that follows from an item or a rebalance."""
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self._moved.clear()
                await self._moved.wait()

    async def leave(self, *, finish: bool = True) -> None:
        for work in self.taken if finish else ():
            work.done()
        if finish:
            await self.source.stop()
        else:
            stopping = asyncio.ensure_future(self.source.stop())
            await asyncio.sleep(0)
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)
        await self._task

    async def _take(self) -> None:
        async with aclosing(self.source.items()) as items:
            async for work in items:
                self.taken.append(work)
                self._moved.set()

    def _rebalanced(self) -> None:
        self.rebalances += 1
        self._moved.set()


@pytest.fixture
def topic(make_topic: Callable[[int], str]) -> str:
    return make_topic(4)


def committed(kafka: KafkaSettings, topic: str, partition: int) -> int:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": kafka.prefix + GROUP})
    try:
        (place,) = consumer.committed([TopicPartition(kafka.prefix + topic, partition)], timeout=10)
    finally:
        consumer.close()
    return place.offset


async def fill(log: KafkaLog, topic: str, *partitions: int) -> None:
    await asyncio.gather(
        *(
            log.append(topic, key=b"k", value=str(number).encode(), partition=partition)
            for number, partition in enumerate(partitions)
        )
    )


def places(works: list[HeldWork]) -> list[tuple[int, int]]:
    return [(work.record.partition, work.record.offset) for work in works]


async def test_slots_bound_what_is_out(kafka: KafkaSettings, log: KafkaLog, topic: str) -> None:
    await fill(log, topic, *[0] * 7)
    member = Member(kafka, topic, slots=2)
    await member.until(lambda: len(member.taken) == 2)
    assert member.source.partitions() == (0, 1, 2, 3)
    assert member.rebalances == 1
    for number in range(7):
        await member.until(lambda number=number: len(member.taken) > number)
        assert len(member.taken) <= number + 2
        member.taken[number].done()
    await member.leave()
    assert places(member.taken) == [(0, offset) for offset in range(7)]
    assert committed(kafka, topic, 0) == 7


async def test_a_source_that_nobody_asks_for_items_moves_no_partition(
    kafka: KafkaSettings, log: KafkaLog, topic: str
) -> None:
    unasked = KafkaWorkSource(kafka, topic, GROUP, 2)
    await fill(log, topic, 0, 1, 2, 3)
    member = Member(kafka, topic, slots=4)
    await member.until(lambda: len(member.taken) == 4)
    assert (member.source.partitions(), unasked.partitions()) == ((0, 1, 2, 3), ())
    await unasked.stop()
    await member.leave()
    assert member.rebalances == 1


async def test_commit_never_passes_unfinished_work(kafka: KafkaSettings, log: KafkaLog, topic: str) -> None:
    await fill(log, topic, 0, 0, 0, 0)
    member = Member(kafka, topic, slots=4)
    await member.until(lambda: len(member.taken) == 4)
    for finished in (0, 2, 3):
        member.taken[finished].done()
    await member.leave(finish=False)
    assert committed(kafka, topic, 0) == 1

    successor = Member(kafka, topic, slots=4)
    await successor.until(lambda: len(successor.taken) == 3)
    await successor.leave()
    assert places(successor.taken) == [(0, 1), (0, 2), (0, 3)]
    assert committed(kafka, topic, 0) == 4


async def test_second_member_takes_only_what_moves(kafka: KafkaSettings, log: KafkaLog, topic: str) -> None:
    await fill(log, topic, 0, 1, 2, 3)
    first = Member(kafka, topic, slots=4)
    await first.until(lambda: len(first.taken) == 4)
    second = Member(kafka, topic, slots=4)
    await second.until(lambda: len(second.source.partitions()) == 2 and len(second.taken) == 2)
    kept, moved = first.source.partitions(), second.source.partitions()
    assert sorted((*kept, *moved)) == [0, 1, 2, 3]
    assert sorted(work.record.partition for work in second.taken) == sorted(moved)

    await first.leave()  # its items of moved partitions finish too, and change nothing
    assert all(committed(kafka, topic, partition) == 1 for partition in kept)
    assert all(committed(kafka, topic, partition) < 1 for partition in moved)
    await second.leave()
    assert all(committed(kafka, topic, partition) == 1 for partition in moved)


async def test_waiting_records_are_paused_and_come_later(
    kafka: KafkaSettings, log: KafkaLog, topic: str
) -> None:
    await fill(log, topic, *[number % 4 for number in range(40)])
    member = Member(kafka, topic, slots=3)
    for number in range(40):
        await member.until(lambda number=number: len(member.taken) > number)
        member.taken[number].done()
    await member.leave()
    assert sorted(places(member.taken)) == [(place, at) for place in range(4) for at in range(10)]
    assert [committed(kafka, topic, partition) for partition in range(4)] == [10] * 4


async def test_what_comes_back_to_a_member_is_read_though_it_went_paused(
    kafka: KafkaSettings, log: KafkaLog, make_topic: Callable[[int], str]
) -> None:
    topic = make_topic(2)
    # One of the two moves to a second member, nobody says which.
    moves = [await goes_and_comes_back(kafka, log, topic, partition) for partition in range(2)]
    assert any(moves)


async def goes_and_comes_back(kafka: KafkaSettings, log: KafkaLog, topic: str, partition: int) -> bool:
    """All of a partition reaches a member that has more than it can take when another one joins and goes."""
    await fill(log, topic, *[partition] * 6)
    first = Member(kafka, topic, slots=1)
    await first.until(lambda: len(first.taken) == 1)
    second = Member(kafka, topic, slots=1)
    await second.until(lambda: len(second.source.partitions()) == 1)
    has_moved = second.source.partitions() == (partition,)
    await second.leave(finish=False)
    await first.until(lambda: len(first.source.partitions()) == 2)
    finished = 0
    while {offset for _, offset in places(first.taken)} != set(range(6)):
        await first.until(lambda finished=finished: len(first.taken) > finished)
        first.taken[finished].done()
        finished += 1
    await first.leave()
    return has_moved


async def test_killed_member_loses_nothing(kafka: KafkaSettings, log: KafkaLog, topic: str) -> None:
    await fill(log, topic, *[number % 4 for number in range(12)])
    argv = [sys.executable, str(MEMBER), kafka.bootstrap, kafka.prefix, topic, GROUP]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    victim = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE, env=env)
    assert victim.stdout is not None
    line = b"its log comes before"
    async with asyncio.timeout(LIMIT_S):
        while line and not line.startswith(b"held"):
            line = await victim.stdout.readline()
    victim.send_signal(signal.SIGKILL)
    await victim.communicate()
    assert victim.returncode == -signal.SIGKILL
    partition, unfinished = map(int, line.split()[1:])
    assert committed(kafka, topic, partition) <= unfinished

    successor = Member(kafka, topic, slots=12)
    await successor.until(lambda: len(successor.source.partitions()) == 4)
    await successor.until(lambda: _rest(successor) == 0)
    assert (partition, unfinished) in places(successor.taken)
    await successor.leave()
    assert [committed(kafka, topic, place) for place in range(4)] == [3] * 4


def _rest(member: Member) -> int:
    """How many partitions have not yet shown their last record."""
    return 4 - len({place for place, at in places(member.taken) if at == 2})
