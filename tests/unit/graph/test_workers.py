"""Who is alive, by the beats on control.v1."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from structlog.testing import capture_logs

from streams.adapters.memory.clock import FakeClock, settle
from streams.adapters.memory.log import MemoryLog
from streams.domain.control import (
    Acknowledgement,
    Command,
    FeatureSwitch,
    Pause,
    TenantControl,
    WorkerHeartbeat,
)
from streams.domain.errors import BrokerError
from streams.domain.features import Feature
from streams.messages import codec
from streams.ports import Record
from streams.services.graph.workers import WorkerView, standing_words


def beat(
    worker: str, partitions: tuple[int, ...] = (1,), work_class: str = "tfhe", key_ids: tuple[bytes, ...] = ()
) -> bytes:
    return msgspec.json.encode(
        WorkerHeartbeat(
            worker=worker,
            work_class=work_class,
            slots=2,
            engine="clear",
            key_ids=key_ids,
            partitions=partitions,
            at_ms=0,
        )
    )


def record(key: str, value: bytes | None, at_ms: int) -> Record:
    return Record(
        topic="control.v1", partition=0, offset=0, key=key.encode(), value=value, timestamp_ms=at_ms
    )


class Heard:
    """A view with what it told."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.changes = 0
        self.commands: list[Command] = []
        self.view = WorkerView(self.clock, self._changed, self.commands.append)

    def _changed(self) -> None:
        self.changes += 1

    def hear(self, worker: str, value: bytes | None, age_ms: int = 0) -> None:
        self.view.take(record(f"worker/{worker}", value, self.clock.now_ms() - age_ms))


class _Silent(MemoryLog):
    """A log whose broker may be away."""

    is_away = False

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        if self.is_away:
            raise BrokerError("away")
        return await super().bounds(topic, partition)


@pytest.fixture
def heard() -> Heard:
    return Heard()


async def test_a_worker_whose_clock_is_behind_is_alive_as_long_as_it_beats() -> None:
    clock, workers_clock = FakeClock(), FakeClock()
    await clock.advance(60)
    log = MemoryLog({"control.v1": 1}, workers_clock)
    view = WorkerView(clock)
    await log.append("control.v1", key=b"worker/gone", value=beat("gone"))
    following = asyncio.create_task(view.follow(log))
    await settle()
    await log.append("control.v1", key=b"worker/w", value=beat("w"))
    await settle()
    assert view.ids() == {"w"}
    await clock.advance(15)
    assert view.ids() == set()
    following.cancel()


def test_a_command_that_is_not_known_here_is_not_carried_out(heard: Heard) -> None:
    for action in ("resume", "erase"):
        command = TenantControl(tenant="t", action=action, request=action)
        heard.view.take(record("tenant/t", codec.encode(command), 0))
    assert [command.request for command in heard.commands] == ["resume"]


def test_live_workers_of_a_class_by_name(heard: Heard) -> None:
    for worker, work_class in (("b", "tfhe"), ("a", "tfhe"), ("s", "sns")):
        heard.hear(worker, beat(worker, work_class=work_class))
    assert [worker.worker for worker in heard.view.live("tfhe")] == ["a", "b"]
    assert heard.view.ids() == {"a", "b", "s"}


def test_a_worker_that_has_another_key_set_is_news(heard: Heard) -> None:
    heard.hear("a", beat("a"))
    heard.hear("a", beat("a", key_ids=(b"k",)))
    assert heard.changes == 2
    assert [worker.key_ids for worker in heard.view.live("tfhe")] == [(b"k",)]


async def test_fifteen_seconds_of_silence_are_death(heard: Heard) -> None:
    heard.hear("a", beat("a"))
    await heard.clock.advance(14.9)
    assert heard.view.ids() == {"a"}
    await heard.clock.advance(0.2)
    assert heard.view.ids() == set()


@pytest.fixture
async def watched(heard: Heard) -> AsyncIterator["_Silent"]:
    log = _Silent({"control.v1": 1}, heard.clock)
    watching = asyncio.create_task(heard.view.watch(log))
    await settle()
    yield log
    watching.cancel()


async def test_nobody_dies_while_the_broker_is_silent(heard: Heard, watched: "_Silent") -> None:
    heard.hear("a", beat("a"))
    watched.is_away = True
    await heard.clock.advance(600)
    assert heard.view.ids() == {"a"}
    watched.is_away = False
    await heard.clock.advance(14.9)
    assert heard.view.ids() == {"a"}
    await heard.clock.advance(3.2)  # it was noticed up to three seconds later
    assert heard.view.ids() == set()


async def test_the_dead_do_not_come_back_when_the_broker_goes_away(heard: Heard, watched: "_Silent") -> None:
    heard.hear("dead", beat("dead"))
    await heard.clock.advance(21)
    watched.is_away = True
    await heard.clock.advance(60)
    assert heard.view.ids() == set()
    watched.is_away = False
    await heard.clock.advance(1)
    assert heard.view.ids() == set()


async def test_the_dead_die_also_where_the_broker_comes_and_goes(heard: Heard, watched: "_Silent") -> None:
    heard.hear("dead", beat("dead"))
    for _ in range(10):
        watched.is_away = not watched.is_away
        await heard.clock.advance(9)
    assert heard.view.ids() == set()


async def test_who_was_dead_before_the_graph_began_is_dead(heard: Heard) -> None:
    heard.hear("old", beat("old"), age_ms=16_000)
    watching = asyncio.create_task(heard.view.watch(MemoryLog({"control.v1": 1}, heard.clock)))
    await settle()
    assert heard.view.ids() == set()
    watching.cancel()


async def test_who_died_without_a_farewell_is_forgotten_in_the_end(heard: Heard) -> None:
    heard.hear("dead", beat("dead"))
    await heard.clock.advance(590)
    heard.hear("early", beat("early"))
    await heard.clock.advance(20)
    heard.hear("late", beat("late"))
    changes = heard.changes
    # A tombstone tells who is still known: it is news of those only.
    heard.hear("dead", None)
    assert heard.changes == changes
    heard.hear("early", None)
    assert heard.changes == changes + 1


def test_a_beat_that_waited_in_the_log_is_as_old_as_that(heard: Heard) -> None:
    heard.hear("old", beat("old"), age_ms=16_000)
    heard.hear("ahead", beat("ahead"), age_ms=-60_000)
    assert heard.view.ids() == {"ahead"}


async def test_a_clock_that_is_ahead_makes_nobody_live_longer(heard: Heard) -> None:
    heard.hear("ahead", beat("ahead"), age_ms=-60_000)
    await heard.clock.advance(15.1)
    assert heard.view.ids() == set()


def test_only_news_is_told(heard: Heard) -> None:
    heard.hear("a", beat("a"))
    heard.hear("a", beat("a"))
    heard.hear("a", beat("a", (1, 2)))
    heard.hear("a", None)
    heard.hear("a", None)
    assert heard.changes == 3


def test_a_command_is_handed_on_and_rubbish_is_not(heard: Heard) -> None:
    control = TenantControl(tenant="t", action="resume", request="r")
    known = Acknowledgement(tenant="t", kind="drift", alarms=(), reason="why", request="s")
    heard.view.take(record("tenant/t", msgspec.json.encode(control), 0))
    heard.view.take(record("tenant/t", b"\xff", 0))
    heard.view.take(record("acknowledgement/s", msgspec.json.encode(known), 0))
    assert heard.commands == [control, known]


@pytest.mark.parametrize(
    "word",
    [
        TenantControl(tenant="t", action="resume", request="a\0b"),
        TenantControl(tenant="t", action="skip", request="r" * 10_000),
        Pause(scope="tenant", name="a\0b"),
    ],
)
async def test_words_that_no_query_takes_are_passed_over_wherever_they_are_read(
    heard: Heard, word: TenantControl | Pause
) -> None:
    log = MemoryLog({"control.v1": 1}, heard.clock)
    await log.append("control.v1", key=b"key", value=codec.encode(word))
    with capture_logs() as lines:
        heard.view.take(record("key", codec.encode(word), 0))
    assert [line["action"] for line in lines] == ["control_skipped"]
    assert (heard.commands, heard.changes, heard.view.standing.words()) == ([], 0, [])
    assert await standing_words(log) == []


async def test_the_log_is_followed_from_its_start_and_known_at_its_end(heard: Heard) -> None:
    log = MemoryLog({"control.v1": 1}, heard.clock)
    for worker in ("a", "b"):
        await log.append("control.v1", key=f"worker/{worker}".encode(), value=beat(worker))
    following = asyncio.create_task(heard.view.follow(log))
    assert not heard.view.is_known
    await settle()
    assert heard.view.is_known
    assert heard.view.ids() == {"a", "b"}
    await log.append("control.v1", key=b"worker/a", value=None)
    await settle()
    assert heard.view.ids() == {"b"}
    following.cancel()


async def test_an_empty_log_is_known_at_once_and_a_broker_that_is_away_is_waited_for(heard: Heard) -> None:
    log = MemoryLog({"events.v1": 1}, heard.clock)
    following = asyncio.create_task(heard.view.follow(log))
    await settle()
    assert not heard.view.is_known
    log._topics["control.v1"] = log._make(1)  # somebody applies the topics
    await heard.clock.advance(1.1)
    assert heard.view.is_known
    following.cancel()


PAUSES = (Pause(scope="tenant", name="1.aa"), Pause(scope="class", name="sns"))
SWITCH = FeatureSwitch(feature="locality", enabled=True)


async def say(log: MemoryLog, *words: Pause | FeatureSwitch, is_over: bool = False) -> None:
    for word in words:
        await log.append("control.v1", key=codec.key_of(word), value=None if is_over else codec.encode(word))
    await settle()


async def test_words_hold_until_they_are_taken_back(heard: Heard) -> None:
    log = MemoryLog({"control.v1": 1}, heard.clock)
    await say(log, *PAUSES, SWITCH)
    following = asyncio.create_task(heard.view.follow(log))
    await settle()
    standing = heard.view.standing
    assert (standing.tenants, standing.classes) == ({"1.aa"}, {"sns"})
    assert standing.is_on(Feature.LOCALITY, default=False)
    assert standing.is_on(Feature.CONTRACT_FAIRNESS, default=True)
    assert await standing_words(log) == [SWITCH, *reversed(PAUSES)]
    before = heard.changes
    await say(log, *PAUSES, SWITCH)  # nothing new
    assert heard.changes == before
    await say(log, *PAUSES, SWITCH, is_over=True)
    assert (standing.tenants, standing.classes) == (frozenset(), frozenset())
    assert not standing.is_on(Feature.LOCALITY, default=False)
    assert heard.changes == before + 3
    assert await standing_words(log) == []
    following.cancel()


async def test_while_the_log_is_read_again_the_last_reading_holds(heard: Heard) -> None:
    log = MemoryLog({"control.v1": 1}, heard.clock)
    following = asyncio.create_task(heard.view.follow(log))
    await settle()
    await say(log, *PAUSES)
    following.cancel()
    again = MemoryLog({"control.v1": 1}, heard.clock)  # the class's tombstone was compacted away
    seen: list[frozenset[str]] = []
    heard.view._on_change = lambda: seen.append(heard.view.standing.tenants)
    await say(again, PAUSES[0])
    await say(again, PAUSES[0], is_over=True)
    await again.append("control.v1", key=b"worker/a", value=beat("a"))
    await say(again, PAUSES[0])
    following = asyncio.create_task(heard.view.follow(again))
    await settle()
    assert set(seen) == {frozenset({"1.aa"})}  # at no moment was it let go
    assert heard.view.standing.classes == frozenset()
    following.cancel()


async def test_words_of_a_newer_release_are_passed_over() -> None:
    log = MemoryLog({"control.v1": 1})
    await log.append("control.v1", key=b"throttle/x", value=b'{"type":"throttle"}')
    assert await standing_words(log) == []
