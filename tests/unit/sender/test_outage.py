"""The gateway is away for an hour: the whole sender but its broker and database, on a simulated clock."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import cast

import pytest
from fake_gateway import FakeGateway
from sender_rig import Rig, commit_of

from streams.adapters.memory.log import MemoryLog
from streams.adapters.memory.work_source import MemoryWorkSource
from streams.domain.results import Failed, Sent, Started, decode_result
from streams.domain.transactions import CallState
from streams.domain.work import encode_work
from streams.ports import Record
from streams.services.sender.metrics import loop_metrics
from streams.services.sender.patience import PAUSES_S
from streams.services.worker.loop import WorkerLoop
from streams.services.worker.results import Results

TOPIC, RESULTS = "work.sender.v1", "results.v1"
SLOTS, CALLS = 8, 60
HOUR_S = 3600.0
KillAt = Callable[[str], type[BaseException]]


async def inline(record: Record) -> bytes:
    return record.value or b""


class Pipe:
    """The topic with its backlog, what was answered, and senders that come and go."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.log = MemoryLog({TOPIC: 1, RESULTS: 1, "dlq.v1": 1}, self.rig.clock)
        self.committed: dict[int, int] = {}

    @property
    def node(self) -> FakeGateway:
        return self.rig.node

    async def send(self, numbers: range) -> None:
        for number in numbers:
            await self.log.append(TOPIC, key=b"us", value=encode_work(commit_of(number)))

    @contextlib.asynccontextmanager
    async def sender(self) -> AsyncGenerator[asyncio.Task[None]]:
        clock = self.rig.clock
        source = MemoryWorkSource(self.log, TOPIC, SLOTS, [0], self.committed)
        results, metrics = Results(self.log, clock, "w"), loop_metrics(self.rig.metrics)
        sender = await self.rig.restart()
        task = asyncio.create_task(WorkerLoop(source, inline, sender, results, clock, metrics, "w").run())
        try:
            yield task
        finally:
            task.cancel()
            with contextlib.suppress(BaseException):
                await task

    def answers(self, kind: type[Started | Sent | Failed]) -> list[str]:
        found = (decode_result(record.value or b"") for record in self.log.records(RESULTS))
        return [result.item for result in found if isinstance(result, kind)]

    async def until_committed(self, offset: int) -> None:
        for _ in range(200):
            if self.committed.get(0) == offset:
                return
            await self.rig.clock.advance(1)
        raise AssertionError(f"{self.committed} of {offset} after 200 s")

    async def until_ended(self, task: asyncio.Task[None]) -> None:
        for _ in range(200):
            if task.done():
                return
            await self.rig.clock.advance(1)
        raise AssertionError("it goes on")

    def is_all_made_once_in_order(self) -> bool:
        return self.node.made == [self.rig.data(commit_of(number)) for number in range(CALLS)]


def is_killed(error: BaseException | None, killed: type[BaseException]) -> bool:
    inner = cast(tuple[BaseException, ...], getattr(error, "exceptions", ()))
    return isinstance(error, killed) or any(is_killed(one, killed) for one in inner)


async def outage(pipe: Pipe) -> None:
    """An hour, in which the backlog grows."""
    pipe.node.is_away = True
    await pipe.rig.clock.advance(HOUR_S / 2)
    await pipe.send(range(CALLS // 2, CALLS))
    await pipe.rig.clock.advance(HOUR_S / 2)


async def test_an_hour_without_a_gateway_answers_and_counts_nothing_and_fills_no_more_than_the_slots() -> (
    None
):
    pipe = Pipe()
    await pipe.send(range(CALLS // 2))
    pipe.node.is_away = True
    async with pipe.sender():
        await outage(pipe)
        # said again every minute: these are in hand, and consumption is paused
        assert len(set(pipe.answers(Started))) == SLOTS
        assert pipe.rig.metrics.value("cipherstream_busy") == SLOTS
        assert pipe.answers(Failed) == pipe.answers(Sent) == []
        assert pipe.committed == {}
        assert pipe.rig.table.rows == {}
        assert pipe.rig.table.refusals == {}
        pipe.node.is_away = False
        await pipe.until_committed(CALLS)
    assert pipe.is_all_made_once_in_order()
    assert sorted(pipe.answers(Sent)) == sorted(f"item{number}" for number in range(CALLS))
    assert pipe.answers(Failed) == []
    assert pipe.rig.states() == [(nonce, CallState.CONFIRMED) for nonce in range(CALLS)]


async def test_it_goes_on_soon_after_the_gateway_is_back() -> None:
    pipe = Pipe()
    await pipe.send(range(CALLS // 2))
    async with pipe.sender():
        await outage(pipe)
        pipe.node.is_away = False
        await pipe.rig.clock.advance(PAUSES_S[-1] + 1)
        assert len(pipe.answers(Sent)) >= SLOTS
        await pipe.until_committed(CALLS)
    assert pipe.is_all_made_once_in_order()


async def test_an_outage_in_the_middle_of_calls_makes_none_twice() -> None:
    pipe = Pipe()
    await pipe.send(range(CALLS // 2))
    pipe.node.is_mining = False
    async with pipe.sender():
        await pipe.rig.clock.advance(5)
        assert len(pipe.node.pool) == SLOTS
        await outage(pipe)
        pipe.node.pool.clear()  # the node was restarted, and forgot
        pipe.node.is_mining, pipe.node.is_away = True, False
        await pipe.until_committed(CALLS)
    assert pipe.is_all_made_once_in_order()
    assert pipe.rig.states() == [(nonce, CallState.CONFIRMED) for nonce in range(CALLS)]


@pytest.mark.parametrize("is_signed", [False, True])
async def test_senders_that_are_restarted_during_the_outage_change_nothing(is_signed: bool) -> None:
    pipe = Pipe()
    await pipe.send(range(CALLS // 2))
    pipe.node.is_mining = False
    pipe.node.is_away = not is_signed
    async with pipe.sender():
        await pipe.rig.clock.advance(5)
        await outage(pipe)
    async with pipe.sender():
        await pipe.rig.clock.advance(60)
    assert pipe.answers(Failed) == pipe.answers(Sent) == []
    async with pipe.sender():
        pipe.node.is_mining, pipe.node.is_away = True, False
        pipe.node.mine()
        await pipe.until_committed(CALLS)
    assert pipe.is_all_made_once_in_order()
    assert pipe.rig.states() == [(nonce, CallState.CONFIRMED) for nonce in range(CALLS)]


@pytest.mark.parametrize("point", ["decided", "committed", "broadcast", "receipt", "settled"])
async def test_a_kill_at_the_end_of_the_outage_makes_each_call_once(kill_at: KillAt, point: str) -> None:
    pipe = Pipe()
    await pipe.send(range(CALLS // 2))
    killed = kill_at(f"sender.{point}")
    async with pipe.sender() as task:
        await outage(pipe)
        pipe.node.is_away = False
        await pipe.until_ended(task)
        assert is_killed(task.exception(), killed)
    async with pipe.sender():
        await pipe.until_committed(CALLS)
    assert sorted(pipe.node.made) == sorted(pipe.rig.data(commit_of(number)) for number in range(CALLS))
    assert len(pipe.rig.table.rows) == CALLS
