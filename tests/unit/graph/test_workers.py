"""Who is alive, by the beats on control.v1."""

import asyncio

import msgspec
import pytest

from streams.adapters.memory.clock import FakeClock, settle
from streams.adapters.memory.log import MemoryLog
from streams.domain.control import TenantControl, WorkerHeartbeat
from streams.ports import Record
from streams.services.graph.workers import WorkerView


def beat(worker: str, partitions: tuple[int, ...] = (1,), work_class: str = "tfhe") -> bytes:
    return msgspec.json.encode(
        WorkerHeartbeat(
            worker=worker,
            work_class=work_class,
            slots=2,
            engine="clear",
            key_ids=(),
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
        self.commands: list[TenantControl] = []
        self.view = WorkerView(self.clock, self._changed, self.commands.append)

    def _changed(self) -> None:
        self.changes += 1

    def hear(self, worker: str, value: bytes | None, age_ms: int = 0) -> None:
        self.view.take(record(f"worker/{worker}", value, self.clock.now_ms() - age_ms))


@pytest.fixture
def heard() -> Heard:
    return Heard()


def test_live_workers_of_a_class_by_name(heard: Heard) -> None:
    for worker, work_class in (("b", "tfhe"), ("a", "tfhe"), ("s", "sns")):
        heard.hear(worker, beat(worker, work_class=work_class))
    assert [worker.worker for worker in heard.view.live("tfhe")] == ["a", "b"]
    assert heard.view.ids() == {"a", "b", "s"}


async def test_fifteen_seconds_of_silence_are_death(heard: Heard) -> None:
    heard.hear("a", beat("a"))
    await heard.clock.advance(14.9)
    assert heard.view.ids() == {"a"}
    await heard.clock.advance(0.2)
    assert heard.view.ids() == set()


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
    heard.view.take(record("tenant/t", msgspec.json.encode(control), 0))
    heard.view.take(record("tenant/t", b"\xff", 0))
    assert heard.commands == [control]


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
