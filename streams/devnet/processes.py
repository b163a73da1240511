"""Who a process is, so that a number that now belongs to somebody else is never signalled.

A pid alone is not an identity: it is given out again. The pid, the start time in the kernel's ticks and the
boot together are one, and a pidfd keeps the three true between the look and the signal.
"""

import os
import signal
from pathlib import Path

import msgspec

_PROC = Path("/proc")
_GONE = frozenset({"Z", "X"})
_STILL = _GONE | {"T", "t"}
# Fields of /proc/PID/stat counted after the command, which is the only one that may hold spaces.
_STATE, _SESSION, _STARTED = 0, 3, 19


class ProcessId(msgspec.Struct, frozen=True):
    """One process of one boot of this machine."""

    pid: int
    started: int
    boot: str


def boot_id() -> str:
    """The name of this boot: pids and start times of another one say nothing."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def identify(pid: int) -> ProcessId | None:
    """The identity of a running process, or None where there is none (a zombie runs no more).

    A process whose first thread has ended runs until its last one has: it still holds its ports and files.
    """
    fields = _stat(pid)
    if fields is None or (fields[_STATE] in _GONE and _threads_are(pid, _GONE)):
        return None
    return ProcessId(pid, int(fields[_STARTED]), boot_id())


def is_running(process: ProcessId) -> bool:
    """Whether exactly this process still runs."""
    return identify(process.pid) == process


def is_still(process: ProcessId) -> bool:
    """Whether no thread of this process runs, as after SIGSTOP or its end."""
    return _threads_are(process.pid, _STILL)


def open_handle(process: ProcessId) -> int | None:
    """A pidfd of exactly this process, to be closed by the caller; None where it has ended."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    # Compared after opening: from here on the handle cannot come to mean another process.
    if is_running(process):
        return handle
    os.close(handle)
    return None


def send(process: ProcessId, number: signal.Signals) -> bool:
    """Signals exactly this process; False where it has ended."""
    handle = open_handle(process)
    if handle is None:
        return False
    try:
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def reap(process: ProcessId) -> int | None:
    """The exit code (negative: signal) of an ended child of ours, once; None of every other process."""
    try:
        end = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return None
    if end is None:
        return None
    return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status


def session_members(leader: ProcessId) -> tuple[ProcessId, ...]:
    """The living processes of the session that this process leads or led, itself included."""
    if leader.boot != boot_id():
        return ()
    holder = _stat(leader.pid)
    if holder is not None and int(holder[_STARTED]) != leader.started:
        return ()  # the number was given out again, which the kernel does only for an empty session
    found = (identify(pid) for pid in _pids() if _session(pid) == leader.pid)
    return tuple(member for member in found if member is not None and member.started >= leader.started)


def working_in(folder: Path) -> tuple[ProcessId, ...]:
    """The living processes whose working directory is exactly this folder."""
    found = (identify(pid) for pid in _pids() if _working_directory(pid) == str(folder))
    return tuple(process for process in found if process is not None)


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _session(pid: int) -> int | None:
    fields = _stat(pid)
    return None if fields is None else int(fields[_SESSION])


def _working_directory(pid: int) -> str | None:
    try:
        return os.readlink(_PROC / str(pid) / "cwd")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def _threads_are(pid: int, states: frozenset[str]) -> bool:
    threads = (_fields(path) for path in (_PROC / str(pid) / "task").glob("*/stat"))
    return all(fields is None or fields[_STATE] in states for fields in threads)


def _stat(pid: int) -> list[str] | None:
    return _fields(_PROC / str(pid) / "stat")


def _fields(path: Path) -> list[str] | None:
    try:
        text = path.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()
