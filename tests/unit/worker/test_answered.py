"""A question that comes again is computed again only if nothing was found out about it."""

import asyncio
import contextlib

import pytest
from worker_bench import Bench, Called

from streams.adapters.memory.clock import FakeClock, settle
from streams.domain.errors import KeyMissing
from streams.domain.results import Computed, Failed, Result, Started
from streams.domain.work import ComputeWork, Work
from streams.services.worker.answered import KEPT_S, Answered
from streams.services.worker.loop import Emit


def item(attempt: int = 0, name: str = "a", key_id: bytes = b"k") -> ComputeWork:
    return ComputeWork(
        item=name, tenant="t", attempt=attempt, timeout_s=60, key_id=key_id, steps=(), inputs=(), outputs=()
    )


def started(attempt: int = 0) -> Started:
    return Started(item="a", attempt=attempt, worker="w", timeout_ms=60_000)


async def done(work: Work, emit: Emit) -> None:
    await emit(Computed(item=work.item, attempt=work.attempt, worker="w", key_id=b"k" * 32, ciphertexts=()))


class Held:
    """An executor's function that begins and ends when it is told to."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.end = asyncio.Event()

    async def __call__(self, work: Work, emit: Emit) -> None:
        self.begun.append(work.attempt)
        await self.end.wait()
        await done(work, emit)


def attempts(results: tuple[Result, ...], kind: type[Result]) -> list[int]:
    return [result.attempt for result in results if isinstance(result, kind)]


@pytest.mark.parametrize("attempt", [0, 1], ids=["delivered again", "sent again"])
async def test_a_question_is_not_computed_after_its_answer(bench: Bench, attempt: int) -> None:
    await bench.send(item())
    await bench.send(item(attempt))
    async with bench.worker(Called(done), slots=1):
        await bench.answered(3)
    assert attempts(bench.results(), Started) == [0, attempt]
    assert attempts(bench.results(), Computed) == [0]
    assert bench.committed == {0: 2}
    assert bench.metrics.value("coprocessor_work_items_processed") == 1
    assert bench.metrics.value("cipherstream_work_items_repeated") == 1


async def test_a_question_that_comes_while_it_is_computed_waits_for_that(bench: Bench) -> None:
    bench.clock = clock = FakeClock()
    held = Held()
    for attempt in range(3):
        await bench.send(item(attempt))
    async with bench.worker(Called(held)):
        await bench.answered(3)
        # those that wait are in hand, too, and their owner is told so
        await clock.advance(60)
        assert await bench.answered(6) == (started(0), started(1), started(2)) * 2
        assert bench.committed == {}
        held.end.set()
    assert held.begun == attempts(bench.results(), Computed) == [0]
    assert bench.committed == {0: 3}
    assert clock.sleepers == 0


async def test_a_question_is_computed_after_a_failure(bench: Bench) -> None:
    async def fragile(work: Work, emit: Emit) -> None:
        await settle()
        if work.attempt == 0:
            raise KeyMissing("not here yet")
        await done(work, emit)

    for attempt in range(3):
        await bench.send(item(attempt))
    async with bench.worker(Called(fragile)):
        await bench.answered(5)
    assert attempts(bench.results(), Failed) == [0]
    assert attempts(bench.results(), Computed) == [1]
    assert bench.committed == {0: 3}


async def test_other_content_under_the_same_item_is_another_question(bench: Bench) -> None:
    held = Held()
    await bench.send(item())
    await bench.send(item(1, key_id=b"o" * 32))
    async with bench.worker(Called(held)):
        await bench.answered(2)
        await settle()
        assert held.begun == [0, 1]
        held.end.set()
    assert attempts(bench.results(), Computed) == [0, 1]


async def test_an_answer_is_forgotten_after_a_while(bench: Bench) -> None:
    bench.clock = clock = FakeClock()
    await bench.send(item(0))
    async with bench.worker(Called(done)):
        await bench.answered(2)
        await clock.advance(KEPT_S - 1)
        await bench.send(item(1))
        await bench.answered(3)
        # from the answer on, not from when it was last asked for
        await clock.advance(1)
        await bench.send(item(2))
        await bench.answered(5)
    assert attempts(bench.results(), Computed) == [0, 2]


async def is_answered(answered: Answered, work: Work) -> bool:
    async with answered.turn(work) as known:
        return known


async def test_the_oldest_answers_make_room() -> None:
    answered = Answered(FakeClock(), answers_max=2)
    asked = [await is_answered(answered, item(name=name)) for name in "abc"]
    assert asked == [False, False, False]
    assert [await is_answered(answered, item(1, name)) for name in "cb"] == [True, True]
    assert not await is_answered(answered, item(1, "a"))


async def test_a_question_is_computed_after_one_that_was_cancelled() -> None:
    answered = Answered(FakeClock())

    async def ask_for_ever() -> None:
        async with answered.turn(item()):
            await asyncio.Event().wait()

    first = asyncio.create_task(ask_for_ever())
    await settle()
    waits = asyncio.create_task(is_answered(answered, item(1)))
    third = asyncio.create_task(is_answered(answered, item(2)))
    await settle()
    # one that gives up waiting is in nobody's way
    waits.cancel()
    await settle()
    assert not third.done()
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    assert not await third
