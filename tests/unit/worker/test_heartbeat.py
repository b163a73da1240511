import asyncio

import msgspec
import pytest

from streams.adapters.memory.clock import FakeClock, settle
from streams.adapters.memory.log import MemoryLog
from streams.domain.control import WorkerHeartbeat
from streams.messages.codec import decode_control
from streams.services.worker import heartbeat
from streams.services.worker.heartbeat import BEAT_S, Heartbeat, with_room


class Beating:
    def __init__(self) -> None:
        self.log = MemoryLog({"control.v1": 1})
        self.clock = FakeClock()
        self.partitions: tuple[int, ...] = ()
        self.states: list[bool] = []
        self.heartbeat = Heartbeat(
            self.log, self.clock, self.describe, lambda is_ok, _: self.states.append(is_ok)
        )

    def describe(self, at_ms: int) -> WorkerHeartbeat:
        return WorkerHeartbeat(
            worker="w",
            work_class="tfhe",
            slots=2,
            engine="clear",
            key_ids=(),
            partitions=self.partitions,
            at_ms=at_ms,
        )

    def said(self) -> list[WorkerHeartbeat | None]:
        values = [record.value for record in self.log.records("control.v1")]
        beats = [None if value is None else decode_control(value) for value in values]
        assert all(beat is None or isinstance(beat, WorkerHeartbeat) for beat in beats)
        return beats  # type: ignore[return-value]


@pytest.fixture
def beating() -> Beating:
    return Beating()


async def test_a_worker_beats_every_three_seconds(beating: Beating) -> None:
    running = asyncio.create_task(beating.heartbeat.run())
    await beating.clock.advance(BEAT_S * 3)
    running.cancel()
    times = [beat.at_ms - beating.said()[0].at_ms for beat in beating.said() if beat]  # type: ignore[union-attr]
    assert times == [0, 3000, 6000, 9000]
    assert all(record.key == b"worker/w" for record in beating.log.records("control.v1"))


async def test_a_rebalance_is_told_at_once(beating: Beating) -> None:
    await beating.heartbeat.look()
    await beating.heartbeat.look()
    beating.partitions = (3, 4)
    await beating.heartbeat.look()
    assert [beat and beat.partitions for beat in beating.said()] == [(), (3, 4)]


async def test_a_stopped_worker_leaves_a_tombstone(beating: Beating) -> None:
    running = asyncio.create_task(beating.heartbeat.run())
    await settle()
    running.cancel()
    await asyncio.wait({running})
    assert [beat is None for beat in beating.said()] == [False, True]


async def test_a_broker_that_is_away_holds_up_no_farewell(
    beating: Beating, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = asyncio.create_task(beating.heartbeat.run())
    await settle()

    async def unanswered(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(beating.log, "append", unanswered)
    monkeypatch.setattr(heartbeat, "_FAREWELL_S", 0.01)
    running.cancel()
    async with asyncio.timeout(60):
        await asyncio.wait({running})
    assert running.cancelled()


async def test_a_beat_that_was_not_heard_is_repeated(beating: Beating) -> None:
    beating.log.fail_next("control.v1")
    await beating.heartbeat.look()
    await beating.heartbeat.look()
    assert len(beating.said()) == 1
    assert beating.states == [False, True]


def test_who_cannot_compute_yet_or_is_ending_is_alive_without_room(beating: Beating) -> None:
    beating.partitions = (1, 2)
    without_key = beating.describe(0)
    with_key = msgspec.structs.replace(without_key, key_ids=(bytes(32),))
    assert with_room(with_key, is_ending=False) == with_key
    for beat in (with_room(without_key, is_ending=False), with_room(with_key, is_ending=True)):
        assert (beat.worker, beat.slots, beat.partitions) == ("w", 0, ())
