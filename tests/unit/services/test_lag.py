"""Lag is records and seconds behind; who is behind and does not move is stuck."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from streams.adapters.kafka.positions import LogState
from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.log import MemoryLog
from streams.messages.topics import EVENTS, GROUPS, RESULTS, WORK
from streams.ports import Offset
from streams.services.lag import Lag, Sources, State, by_topic, measure

TFHE = "work.tfhe.v1"
TOPICS = {EVENTS: 2, RESULTS: 2, **dict.fromkeys(WORK.values(), 2)}


class World:
    """A log with readers that stand where a test puts them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.log = MemoryLog(TOPICS, self.clock)
        self.applied: dict[tuple[str, int], Offset] = {}
        self.at: dict[tuple[str, int], int] = {}
        self.looks = 0
        self.sources = Sources(self, self.log, self, self.clock)

    async def publish(self, topic: str, partition: int, count: int = 1) -> None:
        for _ in range(count):
            await self.log.append(topic, key=b"", value=b"", partition=partition)

    async def apply(self, topic: str, partition: int, next_off: int) -> None:
        self.applied[topic, partition] = Offset(topic, await self.log.topic_id(topic), next_off)

    async def logs(self, topics: Sequence[str]) -> Mapping[str, LogState]:
        return {
            topic: LogState(
                await self.log.topic_id(topic),
                tuple([await self.log.bounds(topic, number) for number in range(TOPICS[topic])]),
            )
            for topic in topics
        }

    async def committed(self, group: str, topic: str) -> Mapping[int, int]:
        assert GROUPS[next(kind for kind, name in WORK.items() if name == topic)] == group
        return {partition: offset for (name, partition), offset in self.at.items() if name == topic}

    async def offsets(self) -> Mapping[tuple[str, int], Offset]:
        self.looks += 1
        return self.applied

    async def measured(self, interval_s: float = 0) -> dict[tuple[str, int], Lag]:
        return {(lag.topic, lag.partition): lag for lag in await measure(self.sources, interval_s)}


@pytest.fixture
def world() -> World:
    return World()


async def test_every_reader_of_every_partition_is_told(world: World) -> None:
    found = await world.measured()
    assert set(found) == {(topic, number) for topic, count in TOPICS.items() for number in range(count)}
    assert {lag.group for lag in found.values()} == {"graph", *GROUPS.values()}
    assert {(lag.records, lag.seconds, lag.state) for lag in found.values()} == {(0, 0.0, "ok")}


async def test_an_owner_is_behind_by_what_it_has_not_applied(world: World) -> None:
    await world.publish(EVENTS, 1, 3)
    await world.clock.advance(4)
    await world.publish(EVENTS, 1, 2)
    await world.clock.advance(1.5)
    await world.apply(EVENTS, 1, 2)
    found = (await world.measured())[EVENTS, 1]
    assert (found.position, found.end, found.records, found.seconds) == (2, 5, 3, 5.5)


async def test_a_worker_is_behind_by_what_its_group_has_not_committed(world: World) -> None:
    await world.publish(TFHE, 0, 5)
    world.at[TFHE, 0] = 4
    found = await world.measured()
    assert (found[TFHE, 0].records, found[TFHE, 1].records) == (1, 0)


async def test_a_group_that_never_committed_begins_with_the_first_record(world: World) -> None:
    await world.publish(TFHE, 1, 6)
    world.log.expire(TFHE, 1, 2)
    found = (await world.measured())[TFHE, 1]
    assert (found.position, found.records) == (2, 4)


@pytest.mark.parametrize("committed", [1, 99])
async def test_what_a_group_committed_and_is_gone_counts_as_nothing(world: World, committed: int) -> None:
    await world.publish(TFHE, 0, 6)
    world.log.expire(TFHE, 0, 3)
    world.at[TFHE, 0] = committed
    assert (await world.measured())[TFHE, 0].records == 3


async def test_a_clock_behind_the_broker_s_gives_no_negative_seconds(world: World) -> None:
    await world.clock.advance(60)
    await world.publish(RESULTS, 0)
    late = Sources(world, world.log, world, FakeClock())
    found = {lag.place: lag for lag in await measure(late, 0)}
    assert found["graph", RESULTS, 0].seconds == 0


async def test_one_look_calls_nobody_stuck(world: World) -> None:
    await world.publish(EVENTS, 0)
    assert (await world.measured(0))[EVENTS, 0].state == "ok"
    assert world.looks == 1


async def test_nobody_is_waited_for_when_nobody_is_behind(world: World) -> None:
    await world.measured(60)
    assert world.looks == 1


async def test_a_reader_that_does_not_move_for_the_interval_is_stuck(world: World) -> None:
    await world.publish(EVENTS, 0, 2)
    await world.publish(TFHE, 1, 2)
    measuring = asyncio.create_task(world.measured(30))
    await world.clock.advance(5)
    world.at[TFHE, 1] = 1
    await world.clock.advance(25)
    found = await measuring
    assert (found[EVENTS, 0].state, found[EVENTS, 0].seconds) == ("stuck", 30)
    assert (found[TFHE, 1].state, found[TFHE, 1].records) == ("ok", 1)


async def test_the_wait_ends_when_all_that_were_behind_have_moved(world: World) -> None:
    await world.publish(EVENTS, 0, 2)
    measuring = asyncio.create_task(world.measured(3_600))
    await world.clock.advance(2)
    await world.apply(EVENTS, 0, 1)
    await world.publish(RESULTS, 1)  # new, so that nobody knows yet whether it moves
    await world.clock.advance(1)
    found = await measuring
    assert (found[EVENTS, 0].records, found[EVENTS, 0].state) == (1, "ok")
    assert (found[RESULTS, 1].records, found[RESULTS, 1].state) == (1, "ok")


async def test_the_last_look_is_not_later_than_the_interval(world: World) -> None:
    await world.publish(EVENTS, 0)
    measuring = asyncio.create_task(world.measured(0.25))
    await world.clock.advance(0.25)
    assert (await measuring)[EVENTS, 0].state == "stuck"


async def test_a_log_without_the_next_record_is_cut_and_names_the_command(world: World) -> None:
    await world.publish(RESULTS, 1, 5)
    await world.apply(RESULTS, 1, 1)
    world.log.expire(RESULTS, 1, 3)
    found = (await world.measured(60))[RESULTS, 1]
    assert (found.state, found.seconds) == ("cut", None)
    assert f"cipherstream control accept-loss {RESULTS} 1" in found.reason
    assert world.looks == 1  # no waiting heals it


async def test_a_shard_that_nobody_owned_yet_needs_the_first_record(world: World) -> None:
    await world.publish(EVENTS, 0, 2)
    assert (await world.measured())[EVENTS, 0].records == 2
    world.log.expire(EVENTS, 0, 1)
    assert (await world.measured())[EVENTS, 0].state == "cut"


async def test_a_topic_that_was_made_anew_is_cut(world: World) -> None:
    await world.apply(EVENTS, 0, 0)
    world.log.recreate(EVENTS)
    found = (await world.measured())[EVENTS, 0]
    assert (found.state, found.records) == ("cut", 0)
    assert "another topic" in found.reason


async def test_the_age_of_a_record_that_was_deleted_meanwhile_is_not_known(world: World) -> None:
    await world.publish(TFHE, 0, 2)
    bounds = await world.logs(tuple(TOPICS))

    class Before(World):
        async def logs(self, topics: Sequence[str]) -> Mapping[str, LogState]:
            return bounds

    world.log.expire(TFHE, 0, 2)
    lags = await measure(Sources(Before(), world.log, world, world.clock), 0)
    assert [(lag.records, lag.seconds) for lag in lags if lag.records] == [(2, None)]


def lag(topic: str, records: int, seconds: float | None, state: State = "ok") -> Lag:
    return Lag(
        group="g",
        topic=topic,
        partition=0,
        position=0,
        end=records,
        records=records,
        seconds=seconds,
        state=state,
    )


def test_a_topic_is_the_sum_of_its_records_and_as_late_as_its_latest() -> None:
    one, other = by_topic([lag("a", 2, 5), lag("a", 3, None), lag("a", 1, 7), lag("b", 1, None)])
    assert (one.topic, one.partitions, one.records, one.seconds) == ("a", 3, 6, 7)
    assert (other.topic, other.seconds) == ("b", None)


@pytest.mark.parametrize(
    ("states", "worst"), [(("ok", "stuck"), "stuck"), (("stuck", "cut", "ok"), "cut"), (("ok",), "ok")]
)
def test_a_topic_is_in_the_state_of_its_worst_partition(states: tuple[State, ...], worst: State) -> None:
    (found,) = by_topic([lag("a", 1, 0, state) for state in states])
    assert found.state == worst
