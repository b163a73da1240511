import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from streams.devnet import ports, processes


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as running:
        yield running
        running.kill()


def identity(child: "subprocess.Popen[bytes]") -> processes.ProcessId:
    found = processes.identify(child.pid)
    assert found is not None
    return found


def test_a_running_process_has_a_stable_identity(child: "subprocess.Popen[bytes]") -> None:
    assert identity(child) == identity(child)
    assert processes.is_running(identity(child))


def test_a_zombie_has_no_identity(child: "subprocess.Popen[bytes]") -> None:
    before = identity(child)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert processes.identify(child.pid) is None
    assert not processes.is_running(before)
    assert not processes.send(before, signal.SIGTERM)


# Ends the thread that the process began with, and no other one; its port is held until the last has ended.
HEADLESS = """
import ctypes, socket, threading, time
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
threading.Thread(target=time.sleep, args=(600,)).start()
ctypes.CDLL(None).syscall({exit}, 0)
"""


def until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def first_thread_has_ended(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_process_runs_until_its_last_thread_has_ended() -> None:
    number = {"x86_64": 60, "aarch64": 93}[platform.machine()]
    argv = [sys.executable, "-c", HEADLESS.format(exit=number)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True) as headless:
        try:
            assert headless.stdout is not None
            port = int(headless.stdout.readline())
            until(lambda: first_thread_has_ended(headless.pid))
            found = identity(headless)
            assert processes.session_members(found) == (found,)
            assert not ports.is_free(port)
            assert processes.send(found, signal.SIGKILL)
            until(lambda: not processes.is_running(found))
            assert ports.is_free(port)
        finally:
            headless.kill()


def test_a_reaped_process_has_no_identity(child: "subprocess.Popen[bytes]") -> None:
    before = identity(child)
    child.kill()
    child.wait()
    assert processes.identify(child.pid) is None
    assert processes.open_handle(before) is None


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another boot"}])
def test_a_number_that_was_given_out_again_is_not_signalled(
    child: "subprocess.Popen[bytes]", change: dict[str, int | str]
) -> None:
    stranger = msgspec.structs.replace(identity(child), **change)
    assert not processes.is_running(stranger)
    assert not processes.send(stranger, signal.SIGKILL)
    assert processes.session_members(stranger) == ()
    assert child.poll() is None


def test_a_signal_arrives(child: "subprocess.Popen[bytes]") -> None:
    assert processes.send(identity(child), signal.SIGTERM)
    assert child.wait() == -signal.SIGTERM


def test_a_process_is_still_once_it_was_stopped(child: "subprocess.Popen[bytes]") -> None:
    process = identity(child)
    assert not processes.is_still(process)
    processes.send(process, signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)
    assert processes.is_still(process)
    processes.send(process, signal.SIGCONT)
    os.waitid(os.P_PID, child.pid, os.WCONTINUED)
    assert not processes.is_still(process)
    child.kill()
    child.wait()
    assert processes.is_still(process)


def test_a_session_is_found_after_its_leader_has_gone() -> None:
    script = "sleep 600 & echo started; exec sleep 600"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True) as leader:
        assert leader.stdout is not None
        leader.stdout.readline()
        process = identity(leader)
        assert len(processes.session_members(process)) == 2
        leader.kill()
        leader.wait()
        (survivor,) = processes.session_members(process)
        assert processes.send(survivor, signal.SIGKILL)


def test_a_process_is_found_by_where_it_works(tmp_path_factory: pytest.TempPathFactory) -> None:
    here, there = tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("there")
    with subprocess.Popen(["sleep", "600"], cwd=here) as running:
        assert processes.working_in(here) == (identity(running),)
        assert processes.working_in(there) == ()
        running.kill()
