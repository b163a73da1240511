"""A process that waits for a core keeps its time; one that sleeps or spins loses it."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from streams.services.worker import starvation
from streams.services.worker.starvation import Effort, effort, used_s, wait_while_used

LIMIT_S = 0.2


@pytest.mark.parametrize(
    ("ran_s", "kept_s", "used"),
    [
        (10.0, 0.0, 10.0),  # it had its core
        (0.0, 0.0, 10.0),  # it slept
        (2.0, 8.0, 2.0),  # it had its core for a fifth of the time
        (4.0, 16.0, 2.0),  # so had its two threads
        (0.01, 0.09, 9.91),  # it slept, and woke now and then on a crowded machine
        (0.0, 10.0, 0.0),  # it never ran
        (0.0, 30.0, 0.0),
    ],
)
def test_only_time_with_a_core_or_asleep_is_used(ran_s: float, kept_s: float, used: float) -> None:
    before = Effort(100.0, 50.0)
    assert used_s(10.0, before, Effort(100.0 + ran_s, 50.0 + kept_s)) == pytest.approx(used)


@pytest.mark.parametrize("after", [Effort(99.0, 60.0), Effort(120.0, 49.0)])
def test_threads_that_ended_give_no_time_back(after: Effort) -> None:
    assert used_s(10.0, Effort(100.0, 50.0), after) == 10.0


def test_effort_counts_all_threads_of_a_process() -> None:
    """A second thread runs while this one sleeps."""
    before = effort(os.getpid())

    def spin() -> None:
        while time.thread_time() < 0.2:
            pass
        ran.set()
        end.wait()

    ran, end = threading.Event(), threading.Event()
    thread = threading.Thread(target=spin)
    thread.start()
    try:
        assert ran.wait(60)
        assert effort(os.getpid()).ran_s >= before.ran_s + 0.2
    finally:
        end.set()
        thread.join()


def test_a_process_that_is_gone_has_no_effort() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert effort(process.pid) == Effort()


@pytest.fixture
def stopped() -> Iterator[int]:
    """A process that does nothing at all."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    os.kill(process.pid, signal.SIGSTOP)
    yield process.pid
    process.kill()
    process.wait()


async def test_a_process_that_does_nothing_has_its_limit_and_no_more(
    stopped: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starvation, "STRETCH_MAX", 1_000_000)  # else it would end anyhow
    assert not await wait_while_used(stopped, asyncio.get_running_loop().create_future(), LIMIT_S)


def crowded(share: float) -> Callable[[int], Effort]:
    """A process that is always ready and has a core for that share of the time."""

    def now(_: int) -> Effort:
        time_s = asyncio.get_running_loop().time()
        return Effort(time_s * share, time_s * (1 - share))

    return now


async def test_a_process_without_a_core_has_longer_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starvation, "effort", crowded(0.01))
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[None] = loop.create_future()
    loop.call_later(3 * LIMIT_S, answer.set_result, None)
    assert await wait_while_used(1, answer, LIMIT_S)


async def test_nobody_waits_for_a_core_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starvation, "effort", crowded(0.0))
    assert not await wait_while_used(1, asyncio.get_running_loop().create_future(), LIMIT_S)


async def test_who_spins_is_stopped_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starvation, "effort", crowded(1.0))
    monkeypatch.setattr(starvation, "STRETCH_MAX", 1_000_000)
    assert not await wait_while_used(1, asyncio.get_running_loop().create_future(), LIMIT_S)


async def test_an_answer_ends_the_waiting_and_a_prompt_one_costs_no_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[int] = []
    monkeypatch.setattr(starvation, "effort", looks.append)
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    answer.set_result(None)
    assert await wait_while_used(os.getpid(), answer, 600)
    assert not looks
