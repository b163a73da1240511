"""The child of a worker: holds the keys, computes on its own threads, and dies with its parent.

`python -m streams.services.worker.child --kind tfhe --engine clear --threads 2 --fd 7`
"""

import argparse
import ctypes
import gc
import os
import resource
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from streams.domain.errors import CipherstreamError, WorkerCrashed
from streams.services.crashpoints import crashpoint
from streams.services.worker import frames

_PR_SET_PDEATHSIG: Final = 1
# The parent looks at the memory that is touched, a few times a second. What would exhaust the machine between
# two looks is refused by the kernel: an allocation fails, and the item with it. Stacks and arenas count too.
_DATA_FACTOR: Final = 2
_DATA_ROOM_BYTES: Final = 1 << 30
_COLLECTOR: Final = (100_000, 20, 20)  # objects until the youngest are looked at, as in the graph
_OOM_SCORE: Final = "1000"  # a machine without memory ends the child first, never the parent


class Policy(StrEnum):
    """Which items of a child run at a time."""

    PARALLEL = "parallel"  # all that it has, each on a thread
    SEQUENTIAL = "sequential"  # one, with all of the engine's threads; the others wait for their turn


class Jobs(Protocol):
    """What a child can do; each reply carries the number of its request."""

    @property
    def lookup_s(self) -> float:
        """Seconds of one table look-up, measured when keys were opened last; 0 before that."""
        ...

    @property
    def counts(self) -> frames.Counts:
        """So far."""
        ...

    def open_keys(self, key_id: bytes, directory: Path, *, at_once: bool) -> None: ...

    def open_crs(self, crs_id: bytes, file: Path, *, at_once: bool) -> None: ...

    def prepare(self, key_id: bytes, crs_id: bytes) -> None:
        """Have open what an item needs, so that opening is not on its own time."""
        ...

    def run(self, number: int, work: frames.ChildWork) -> Iterator[frames.Reply]:
        """Outputs as they are there; the last reply ends the request."""
        ...


_Opens = frames.OpenKeys | frames.OpenCrs | frames.Prepare
_Asked = _Opens | frames.Run


class _Line:
    """The child's end of the pair; replies of several threads take turns."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        self._told = frames.Counts()

    def send(self, reply: frames.Reply, jobs: Jobs | None = None) -> None:
        """Send it, after the counts of those jobs if they are news: whoever has an answer has counted."""
        with self._lock:
            self._put(self._news(jobs) + frames.frame(reply))

    def _news(self, jobs: Jobs | None) -> bytes:
        # Under the lock, so that counts never go back.
        if jobs is None or (counts := jobs.counts) == self._told:
            return b""
        self._told = counts
        return frames.frame(counts)

    def _put(self, message: bytes) -> None:
        try:
            self._sock.sendall(message)
        except OSError:
            os._exit(0)  # the parent is gone


def serve(sock: socket.socket, jobs: Jobs, threads: int, policy: Policy = Policy.PARALLEL) -> None:
    """Answers requests until the parent is gone, then ends the process, whatever still runs."""
    line = _Line(sock)
    runners = ThreadPoolExecutor(1 if policy is Policy.SEQUENTIAL else threads)
    openers = ThreadPoolExecutor(threads + 1)  # keys open while all items run, and while all wait for others
    line.send(frames.Ready())
    while (request := frames.receive_request(sock)) is not None:
        if not isinstance(request, frames.Batch):
            openers.submit(_answer, jobs, request, line)
            continue
        if policy is Policy.PARALLEL:  # there is a thread for each
            # Told in one frame: each item's time limit runs from its turn, not from its place in a queue.
            line.send(frames.Begun(tuple(run.number for run in request.runs)))
        for run in request.runs:
            runners.submit(_run, jobs, run, line, policy)
    # Not `sys.exit`: it would wait for threads that are in the middle of native code.
    os._exit(0)


def _run(jobs: Jobs, run: frames.Run, line: _Line, policy: Policy) -> None:
    if policy is Policy.SEQUENTIAL:
        line.send(frames.Begun((run.number,)))
    _answer(jobs, run, line)


def _answer(jobs: Jobs, request: _Asked, line: _Line) -> None:
    try:
        for reply in _replies(jobs, request):
            line.send(reply, jobs if isinstance(reply, frames.Final_) else None)
    except BaseException as error:  # a panic of the native library is no Exception
        line.send(_broken(request.number, error))


def _replies(jobs: Jobs, request: _Asked) -> Iterator[frames.Reply]:
    if isinstance(request, frames.Run):
        for reply in jobs.run(request.number, request.work):
            crashpoint("child.answering")
            yield reply
        return
    _open(jobs, request)
    yield frames.Opened(request.number, jobs.lookup_s)


def _open(jobs: Jobs, request: _Opens) -> None:
    match request:
        case frames.OpenKeys():
            jobs.open_keys(request.key_id, request.directory, at_once=request.at_once)
        case frames.OpenCrs():
            jobs.open_crs(request.crs_id, request.file, at_once=request.at_once)
        case frames.Prepare():
            jobs.prepare(request.key_id, request.crs_id)


def _broken(number: int, error: BaseException) -> frames.Broken:
    if isinstance(error, CipherstreamError):
        return frames.Broken(number, error.category, type(error).__name__, str(error))
    # Out of memory, a panic, a defect of ours: never a verdict over the input.
    message = f"{type(error).__name__}: {error}"
    return frames.Broken(number, WorkerCrashed.category, WorkerCrashed.__name__, message)


def die_with_parent(parent: int) -> None:
    """The kernel kills this process when that parent ends, even in the middle of native code."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # the parent may have died before the line above: then no signal will ever come
    if os.getppid() != parent:
        os._exit(0)


def relax_collector() -> None:
    """Let the garbage collector look less often: a window makes a million objects, next to none in cycles."""
    # By default it took a third of the executor's time (`cipherstream bench executor`).
    gc.freeze()
    gc.set_threshold(*_COLLECTOR)


def settle(memory_bytes_max: int = 0) -> None:
    """Signals to the group are the parent's business; the child is the first to go when memory ends."""
    if memory_bytes_max:
        limit = _DATA_FACTOR * memory_bytes_max + _DATA_ROOM_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    except OSError:
        return  # not allowed here: then the kernel chooses


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The child's command line."""
    parser = argparse.ArgumentParser(prog="worker-child")
    parser.add_argument("--kind", required=True)
    parser.add_argument("--engine", default="clear")
    parser.add_argument("--device", default="cpu", help="of the engine wave")
    parser.add_argument("--threads", type=int, default=1, help="of the engine")
    parser.add_argument("--slots", type=int, default=0, help="items at a time; 0 = as many as threads")
    parser.add_argument("--policy", type=Policy, default=Policy.PARALLEL, choices=list(Policy))
    parser.add_argument("--bare", action="store_true", help="squash to elements, not to compressed lists")
    parser.add_argument("--memory-bytes", type=int, default=0, help="0 = no bound")
    parser.add_argument("--key-cache-size", type=int, default=0, help="key sets open at a time; 0 = no bound")
    parser.add_argument("--known-answer-every", type=int, default=0, help="batches; 0 = as the engine likes")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    return parser.parse_args(argv)


def start(chosen: argparse.Namespace, jobs: Jobs) -> None:
    """Life of a child once its jobs are chosen."""
    die_with_parent(chosen.parent)
    settle(chosen.memory_bytes)
    relax_collector()
    serve(socket.socket(fileno=chosen.fd), jobs, chosen.slots or chosen.threads, chosen.policy)


def main() -> None:
    """Entry point of the module."""
    chosen = arguments()
    start(chosen, chosen_jobs(chosen))


def chosen_jobs(chosen: argparse.Namespace) -> Jobs:
    """What the command line asks for; raises ConfigurationError."""
    from streams.services.worker.jobs import Room, jobs_of  # the engine is loaded here, never by the parent

    room = Room(memory_bytes_max=chosen.memory_bytes, suites_max=chosen.key_cache_size)
    return jobs_of(
        chosen.kind,
        chosen.engine,
        chosen.threads,
        room,
        compressed=not chosen.bare,
        device=chosen.device,
        known_answer_every=chosen.known_answer_every,
    )


if __name__ == "__main__":
    main()
