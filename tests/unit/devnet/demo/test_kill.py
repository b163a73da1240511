"""A process is killed only while others say that it has work in hand; otherwise it goes on."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytest_asyncio

from streams.devnet import processes
from streams.devnet.demo import stages
from streams.devnet.demo.kill import IdleKill, Prove, kill_busy
from streams.devnet.processes import ProcessId
from streams.devnet.supervisor import ChildDied, Supervisor
from streams.domain.errors import StoreError

WORKER = ("sh", "-c", "sleep 600 & echo started; wait")  # with a child, as those that compute have
SOON_S = 0.05


class Said:
    """What others say, asked again and again; `look` is called while the process is stopped."""

    def __init__(self, *holds: bool, likely: bool = True, look: Callable[[], None] = lambda: None) -> None:
        self._holds = list(holds)
        self._likely = likely
        self._look = look
        self.asked = 0

    async def is_likely(self) -> bool:
        return self._likely

    async def holds(self) -> bool:
        self._look()
        self.asked += 1
        return self._holds.pop(0) if len(self._holds) > 1 else self._holds[0]

    def prove(self) -> Prove:
        return lambda _: self


@pytest_asyncio.fixture
async def supervisor(tmp_path: Path) -> AsyncGenerator[Supervisor]:
    running = Supervisor(tmp_path)
    yield running
    await running.stop(grace_s=0)


@pytest_asyncio.fixture
async def worker(supervisor: Supervisor) -> ProcessId:
    started = supervisor.spawn("worker", WORKER)

    async def has_child() -> bool:
        return "started" in supervisor.log_path("worker").read_text()

    await supervisor.until("worker", has_child)
    return started


def is_going_on(worker: ProcessId) -> bool:
    members = processes.session_members(worker)
    return len(members) == 2 and not any(map(processes.is_still, members))


async def test_a_busy_process_dies_where_it_stands(supervisor: Supervisor, worker: ProcessId) -> None:
    seen: list[bool] = []
    look = Said(True, look=lambda: seen.extend(map(processes.is_still, processes.session_members(worker))))
    await kill_busy(supervisor, "worker", look.prove())
    assert await supervisor.wait("worker", 30) == -9
    assert seen == [True, True]  # nobody worked on while others were asked


async def test_a_kill_of_an_idle_process_is_refused(supervisor: Supervisor, worker: ProcessId) -> None:
    with pytest.raises(IdleKill, match="worker had nothing to do"):
        await kill_busy(supervisor, "worker", Said(False).prove(), SOON_S)
    assert is_going_on(worker)


async def test_a_process_that_seems_idle_is_not_even_stopped(
    supervisor: Supervisor, worker: ProcessId
) -> None:
    said = Said(True, likely=False)
    with pytest.raises(IdleKill):
        await kill_busy(supervisor, "worker", said.prove(), SOON_S)
    assert (said.asked, is_going_on(worker)) == (0, True)


async def test_a_process_that_was_idle_is_looked_at_again(supervisor: Supervisor, worker: ProcessId) -> None:
    said = Said(False, False, True)
    await kill_busy(supervisor, "worker", said.prove())
    assert said.asked == 3
    assert await supervisor.wait("worker", 30) == -9
    assert not processes.is_running(worker)


async def test_a_question_that_fails_leaves_the_process_as_it_was(
    supervisor: Supervisor, worker: ProcessId
) -> None:
    def fail() -> None:
        raise StoreError

    with pytest.raises(StoreError):
        await kill_busy(supervisor, "worker", Said(True, look=fail).prove())
    assert is_going_on(worker)


@pytest.mark.parametrize("likely", [True, False])
async def test_a_process_that_ends_by_itself_was_not_killed(supervisor: Supervisor, likely: bool) -> None:
    supervisor.spawn("worker", ("sh", "-c", "echo out of memory; exit 3"))
    await supervisor.wait("worker", 30)
    with pytest.raises(ChildDied, match="out of memory"):
        await kill_busy(supervisor, "worker", Said(True, likely=likely).prove())


async def test_a_process_that_was_never_started_is_told(supervisor: Supervisor) -> None:
    with pytest.raises(ChildDied, match="never started"):
        await kill_busy(supervisor, "worker", Said(True).prove())


async def test_an_idle_kill_ends_the_main_job_and_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_: object) -> None:
        await asyncio.Event().wait()

    class Idle:
        async def kill_while_busy(self, name: str, _: Prove) -> None:
            raise IdleKill(name)

    monkeypatch.setattr(stages, "inputs", never)
    monkeypatch.setattr(stages, "KafkaPositions", lambda _: None)
    world = SimpleNamespace(
        servers=SimpleNamespace(kafka_bootstrap="nowhere:1"),
        plan=SimpleNamespace(kills=("graph", "sns-worker")),
        fleet=Idle(),
        progress=None,
    )
    with pytest.raises(IdleKill, match="graph"):
        await stages.inputs_with_kills(cast(Any, world))
