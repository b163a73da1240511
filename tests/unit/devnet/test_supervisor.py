import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from streams.devnet import processes
from streams.devnet.supervisor import ChildDied, NotReady, Record, Supervisor
from streams.domain.errors import ConfigurationError

SLEEP = ("sleep", "600")
DEAF = ("sh", "-c", 'trap "" TERM; echo ready; while :; do sleep 600; done')


@pytest_asyncio.fixture
async def supervisor(tmp_path: Path) -> AsyncGenerator[Supervisor]:
    running = Supervisor(tmp_path / "state")
    yield running
    await running.stop(grace_s=0)


async def never() -> bool:
    raise ConnectionRefusedError("nobody listens")


async def says(supervisor: Supervisor, name: str, word: str) -> None:
    async def said() -> bool:
        return word in supervisor.log_path(name).read_text()

    await supervisor.until(name, said, 30)


def ended(pid: int) -> None:
    """Waits for the end of a process that is nobody's child here."""
    process = processes.identify(pid)
    handle = None if process is None else processes.open_handle(process)
    if handle is None:
        return
    with open(handle, "rb", buffering=0) as end:
        assert select.select([end], [], [], 30)[0]


async def test_a_child_runs_with_our_environment_and_its_own(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "one")
    supervisor.spawn("child", ("sh", "-c", "echo $OURS $ITS"), {"ITS": "two"})
    assert await supervisor.wait("child", 30) == 0
    assert supervisor.log_path("child").read_text() == "one two\n"


async def test_a_child_leads_a_session_of_its_own(supervisor: Supervisor) -> None:
    process = supervisor.spawn("child", SLEEP)
    assert os.getsid(process.pid) == process.pid


async def test_arguments_arrive_as_they_are(supervisor: Supervisor) -> None:
    supervisor.spawn("child", ("printf", "%s|", "a b", "$HOME", "'", ""))
    assert await supervisor.wait("child", 30) == 0
    assert supervisor.log_path("child").read_text() == "a b|$HOME|'||"


async def test_a_child_has_no_standard_input(supervisor: Supervisor) -> None:
    supervisor.spawn("child", ("cat",))
    assert await supervisor.wait("child", 30) == 0


async def test_a_name_runs_once(supervisor: Supervisor) -> None:
    supervisor.spawn("child", SLEEP)
    with pytest.raises(ConfigurationError, match="child runs already"):
        supervisor.spawn("child", SLEEP)


async def test_a_killed_child_is_seen_and_can_be_started_again(supervisor: Supervisor) -> None:
    first = supervisor.spawn("child", SLEEP)
    assert supervisor.kill("child")
    assert await supervisor.wait("child", 30) == -signal.SIGKILL
    assert not supervisor.alive("child")
    assert supervisor.exit_code("child") == -signal.SIGKILL
    assert not supervisor.kill("child")
    assert supervisor.spawn("child", SLEEP) != first
    assert supervisor.alive("child")


async def test_any_signal_can_be_sent(supervisor: Supervisor) -> None:
    supervisor.spawn("child", ("sh", "-c", 'trap "exit 7" USR1; echo ready; while :; do sleep 0.1; done'))
    await says(supervisor, "child", "ready")
    supervisor.kill("child", signal.SIGUSR1)
    assert await supervisor.wait("child", 30) == 7


async def test_waiting_has_an_end(supervisor: Supervisor) -> None:
    supervisor.spawn("child", SLEEP)
    with pytest.raises(TimeoutError):
        await supervisor.wait("child", 0)


async def test_ready_means_that_the_check_succeeded(supervisor: Supervisor) -> None:
    answers = iter((False, False, True))

    async def third_time() -> bool:
        return next(answers)

    supervisor.spawn("child", SLEEP)
    await supervisor.until("child", third_time, 30)
    assert next(answers, None) is None


async def test_a_child_that_dies_is_reported_at_once_with_its_last_words(supervisor: Supervisor) -> None:
    supervisor.spawn("child", ("sh", "-c", "echo address in use; exit 3"))
    with pytest.raises(ChildDied, match=r"(?s)child ended with code 3.*address in use"):
        await supervisor.until("child", never, 600)


async def test_a_program_that_does_not_exist_is_a_dead_child(supervisor: Supervisor) -> None:
    supervisor.spawn("child", ("/no/such/program",))
    with pytest.raises(ChildDied, match=r"(?s)code 127.*not found"):
        await supervisor.until("child", never, 600)


async def test_a_child_that_never_answers_is_reported_with_the_cause(supervisor: Supervisor) -> None:
    supervisor.spawn("child", SLEEP)
    with pytest.raises(NotReady, match="child is not ready") as failure:
        await supervisor.until("child", never, 0.1)
    assert isinstance(failure.value.__cause__, ConnectionRefusedError)


async def test_only_the_end_of_a_long_log_is_shown(supervisor: Supervisor) -> None:
    path = supervisor.log_path("child")
    path.parent.mkdir(parents=True)
    path.write_text("x" * 10_000 + "the end")
    tail = supervisor.log_tail("child")
    assert tail.endswith("the end")
    assert len(tail) < 3_000


async def test_stop_ends_everything_and_forgets_it(supervisor: Supervisor) -> None:
    ids = [supervisor.spawn(name, SLEEP) for name in ("one", "two")]
    await supervisor.stop()
    assert not any(processes.is_running(process) for process in ids)
    assert supervisor.names() == ()
    await supervisor.stop(["one"])


async def test_stop_of_some_leaves_the_others(supervisor: Supervisor) -> None:
    for name in ("one", "two"):
        supervisor.spawn(name, SLEEP)
    await supervisor.stop(["one"])
    assert supervisor.names() == ("two",)
    assert supervisor.alive("two")


async def test_a_child_that_ignores_its_signal_is_killed_with_its_own_children(
    supervisor: Supervisor,
) -> None:
    leader = supervisor.spawn("deaf", DEAF)
    await says(supervisor, "deaf", "ready")
    await supervisor.stop(grace_s=0.05)
    assert processes.session_members(leader) == ()


async def test_a_grandchild_does_not_outlive_its_killed_parent(supervisor: Supervisor) -> None:
    leader = supervisor.spawn("parent", ("sh", "-c", "sleep 600 & echo ready; wait"))
    await says(supervisor, "parent", "ready")
    supervisor.kill("parent")
    await supervisor.wait("parent", 30)
    await supervisor.stop()
    assert processes.session_members(leader) == ()


async def test_a_grandchild_of_a_killed_process_ends_when_the_name_is_used_again(
    supervisor: Supervisor,
) -> None:
    first = supervisor.spawn("parent", ("sh", "-c", "sleep 600 & echo ready; wait"))
    await says(supervisor, "parent", "ready")
    supervisor.kill("parent")
    await supervisor.wait("parent", 30)
    (orphan,) = processes.session_members(first)
    supervisor.spawn("parent", SLEEP)
    await asyncio.to_thread(ended, orphan.pid)
    assert not processes.is_running(orphan)
    assert supervisor.alive("parent")


@pytest.fixture(params=[False, True], ids=["heard", "ignored"])
def interrupts(request: pytest.FixtureRequest) -> Iterator[None]:
    """What this process does with SIGINT: a script's background job was told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if request.param else signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
async def test_each_child_has_its_own_stop_signal(supervisor: Supervisor) -> None:
    # Not one long wait: a signal that a shell receives just before it blocks there is seen when that ends.
    script = 'trap "echo interrupted; exit 0" INT; echo ready; while :; do sleep 0.1; done'
    supervisor.spawn("child", ("sh", "-c", script), stop_signal=signal.SIGINT)
    await says(supervisor, "child", "ready")
    await supervisor.stop(grace_s=10)
    assert "interrupted" in supervisor.log_path("child").read_text()


async def test_another_supervisor_of_the_same_state_finds_and_stops_the_children(
    supervisor: Supervisor,
) -> None:
    process = supervisor.spawn("child", SLEEP)
    successor = Supervisor(supervisor.state_dir)
    assert successor.alive("child")
    await asyncio.gather(supervisor.wait("child", 30), successor.stop())
    assert not processes.is_running(process)


async def test_a_recycled_number_is_left_alone(supervisor: Supervisor) -> None:
    process = supervisor.spawn("child", SLEEP)
    stranger = msgspec.structs.replace(process, started=process.started - 1)
    record = Record("old", stranger, signal.SIGTERM)
    (supervisor.state_dir / "run" / "old.json").write_bytes(msgspec.json.encode(record))
    assert not supervisor.alive("old")
    await supervisor.stop(["old"])
    assert supervisor.names() == ("child",)
    assert supervisor.alive("child")


async def test_a_launcher_that_dies_before_the_record_is_written_leaves_no_process(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from streams.devnet.supervisor import Supervisor
class Dying(Supervisor):
    def _write(self, record):
        print(record.process.pid, flush=True)
        os._exit(9)
Dying(Path(sys.argv[1])).spawn("child", ("sh", "-c", "echo ran"))
"""
    argv = [sys.executable, "-c", script, str(tmp_path)]
    launcher = await asyncio.to_thread(subprocess.run, argv, stdout=subprocess.PIPE, check=False)
    assert launcher.returncode == 9
    pid = int(launcher.stdout.split()[-1])
    await asyncio.to_thread(ended, pid)
    assert (tmp_path / "logs" / "child.log").read_text() == ""
