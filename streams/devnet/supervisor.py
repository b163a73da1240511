"""Child processes of the devnet: servers and services, each in a session of its own.

A child is recorded in `STATE/run/NAME.json` before its program starts, so that a launcher that dies at any
moment leaves nothing that `stop` does not find. Its output goes to `STATE/logs/NAME.log`.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, TypedDict

import msgspec
import structlog

from streams.devnet import processes
from streams.domain.errors import ConfigurationError, Fatal

_log = structlog.get_logger(__name__)
_POLL_S = 0.02
_TAIL_BYTES = 2_000
# The child waits for one line before it becomes its program; end of file means that the launcher died before
# the record was written.
_GATE = 'read -r _ || exit 125; exec "$@" </dev/null'


class ChildDied(Fatal):
    """A process of the devnet ended before it was ready."""


class NotReady(Fatal):
    """A process of the devnet runs but does not answer."""


class Account(msgspec.Struct, frozen=True):
    """The user that a child runs as."""

    uid: int
    gid: int


class AccountOptions(TypedDict):
    """Keywords of `subprocess`."""

    user: int | None
    group: int | None
    extra_groups: list[int] | None


class Record(msgspec.Struct, frozen=True):
    """What `stop` must know of a child, also after a crash of the one who started it."""

    name: str
    process: processes.ProcessId
    stop_signal: int


class Supervisor:
    """Starts, watches and stops named processes below one state directory."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir.resolve()
        self._runs = self.state_dir / "run"
        self._logs = self.state_dir / "logs"
        self._codes: dict[processes.ProcessId, int] = {}

    def spawn(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        *,
        cwd: Path | None = None,
        account: Account | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> processes.ProcessId:
        """Starts a program with `env` on top of our environment.

        A program that does not exist shows as a process that ends at once with code 127.

        Raises: ConfigurationError where a process of that name runs already.
        """
        if self.alive(name):
            raise ConfigurationError(f"{name} runs already in {self.state_dir}")
        self._end_orphans(name)
        # Not before: who only looks must leave nothing in a folder that may be somebody else's.
        for folder in (self._runs, self._logs):
            folder.mkdir(parents=True, exist_ok=True)
        with self.log_path(name).open("ab") as log:
            child = _start_gated(argv, {**os.environ, **(env or {})}, cwd, account, log)
        process = processes.identify(child.pid)
        if process is None:
            raise ChildDied(f"{name} could not be started; its log is {self.log_path(name)}")
        self._write(Record(name, process, stop_signal))
        _release(child)
        _log.info("process started", action="process_started", process=name, pid=child.pid)
        return process

    def names(self) -> tuple[str, ...]:
        """Every process that has a record here, dead ones included."""
        return tuple(sorted(path.stem for path in self._runs.glob("*.json")))

    def process(self, name: str) -> processes.ProcessId | None:
        """The process recorded under this name."""
        record = self._read(name)
        return None if record is None else record.process

    def alive(self, name: str) -> bool:
        """Whether the process recorded under this name runs."""
        process = self.process(name)
        return process is not None and processes.is_running(process)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> bool:
        """Signals one process; False where it does not run."""
        process = self.process(name)
        return process is not None and processes.send(process, number)

    def exit_code(self, name: str) -> int | None:
        """The exit code (negative: signal) of a child of ours that has ended; None of every other."""
        process = self.process(name)
        if process is None or processes.is_running(process):
            return None
        return self._reap(process)

    async def wait(self, name: str, timeout_s: float | None = None) -> int | None:
        """Waits for the end of a process and returns its exit code where it is a child of ours.

        Raises: TimeoutError.
        """
        process = self.process(name)
        handle = None if process is None else processes.open_handle(process)
        if handle is not None:
            async with asyncio.timeout(timeout_s), _readable(handle) as ended:
                await ended.wait()
        return None if process is None else self._reap(process)

    async def until(self, name: str, check: Callable[[], Awaitable[bool]], timeout_s: float = 60) -> None:
        """Waits until a check of a running process succeeds.

        Raises: ChildDied at once when the process ends, NotReady after the timeout; both with the log's end.
        """
        failures: list[Exception] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                if await self._succeeds(name, check, failures):
                    return
        failure = failures[-1] if failures else None
        if self.alive(name):
            raise NotReady(f"{name} is not ready after {timeout_s:g} s\n{self.log_tail(name)}") from failure
        raise ChildDied(f"{name} ended with code {self.exit_code(name)}\n{self.log_tail(name)}") from failure

    async def _succeeds(
        self, name: str, check: Callable[[], Awaitable[bool]], failures: list[Exception]
    ) -> bool:
        """False when the process has ended; the check's errors are added to `failures`."""
        while self.alive(name):
            try:
                if await check():
                    return True
            except Exception as error:  # a server that starts refuses in many ways
                failures.append(error)
            await asyncio.sleep(_POLL_S)
        return False

    async def stop(self, names: Iterable[str] | None = None, grace_s: float = 20) -> None:
        """Stops processes side by side, the whole session of each; the ones that ignore it are killed."""
        await asyncio.gather(
            *(self._stop(name, grace_s) for name in (self.names() if names is None else names))
        )

    def log_path(self, name: str) -> Path:
        """Where the output of this process is."""
        return self._logs / f"{name}.log"

    def log_tail(self, name: str) -> str:
        """The end of the output of this process."""
        path = self.log_path(name)
        text = path.read_bytes()[-_TAIL_BYTES:].decode(errors="replace") if path.exists() else ""
        return f"--- end of {path}\n{text}"

    def _end_orphans(self, name: str) -> None:
        """Kills what a dead process of this name left, before the record that leads there is replaced."""
        process = self.process(name)
        for orphan in () if process is None else processes.session_members(process):
            processes.send(orphan, signal.SIGKILL)

    async def _stop(self, name: str, grace_s: float) -> None:
        record = self._read(name)
        if record is None:
            return
        processes.send(record.process, signal.Signals(record.stop_signal))
        try:
            await self.wait(name, grace_s)
        except TimeoutError:
            _log.warning("process ignores its stop signal", action="process_killed", process=name)
        await self._kill_session(record.process)
        self._reap(record.process)
        self._record_path(name).unlink(missing_ok=True)
        _log.info("process stopped", action="process_stopped", process=name)

    async def _kill_session(self, leader: processes.ProcessId) -> None:
        while members := processes.session_members(leader):
            for member in members:
                processes.send(member, signal.SIGKILL)
            await asyncio.sleep(_POLL_S)

    def _reap(self, process: processes.ProcessId) -> int | None:
        if process not in self._codes:
            code = processes.reap(process)
            if code is None:
                return None
            self._codes[process] = code
        return self._codes[process]

    def _record_path(self, name: str) -> Path:
        return self._runs / f"{name}.json"

    def _read(self, name: str) -> Record | None:
        try:
            return msgspec.json.decode(self._record_path(name).read_bytes(), type=Record)
        except FileNotFoundError:
            return None

    def _write(self, record: Record) -> None:
        draft = self._runs / f".{record.name}.draft"
        draft.write_bytes(msgspec.json.encode(record))
        draft.replace(self._record_path(record.name))


def as_account(account: Account | None) -> AccountOptions:
    """The options that make `subprocess` run a program as another user."""
    if account is None:
        return AccountOptions(user=None, group=None, extra_groups=None)
    return AccountOptions(user=account.uid, group=account.gid, extra_groups=[])


def _hear_interrupts() -> None:
    """Where SIGINT is ignored, as in the background of a script, it goes on unheeded, but by a handler."""
    # What is ignored is ignored by every program started, also one that is to be stopped by this signal; a
    # handler is not handed on. Only the first thread can set one.
    is_first = threading.current_thread() is threading.main_thread()
    if is_first and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, _unheeded)


def _unheeded(_number: int, _frame: object) -> None:
    """A signal that changes nothing here."""


def _start_gated(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path | None, account: Account | None, log: BinaryIO
) -> "subprocess.Popen[bytes]":
    _hear_interrupts()
    return subprocess.Popen(
        ["/bin/sh", "-c", _GATE, "sh", *argv],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=env,
        cwd=cwd,
        **as_account(account),
        start_new_session=True,  # Ctrl-C in the shell is for the launcher, which stops the others in order
    )


def _release(child: "subprocess.Popen[bytes]") -> None:
    """Lets the child become its program, and lets go of it: it may outlive this process."""
    gate = child.stdin
    if gate is not None:
        with contextlib.suppress(BrokenPipeError), gate:
            gate.write(b"\n")
    # Its end is read by identity, not through this object, which would complain about a child left running.
    child.returncode = 0


@contextlib.asynccontextmanager
async def _readable(handle: int) -> AsyncGenerator[asyncio.Event]:
    """An event that is set when the process behind this pidfd ends; closes the pidfd."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(handle, ended.set)
    try:
        yield ended
    finally:
        loop.remove_reader(handle)
        os.close(handle)
