"""A child that does what the bytes of its item say: answer, crash, hang, eat memory, raise."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from streams.domain import errors
from streams.domain.work import SquashWork
from streams.services.worker import child, frames
from streams.services.worker.pool import LOOKUP_S

NEVER_KEY = b"never".ljust(32)


class Panic(BaseException):
    """As the native library raises it."""


class FinerError(errors.OperationError):
    """As an engine has it, which the tree does not know."""


class FinerFatal(errors.Fatal):
    """The same."""


class OddJobs:
    """Its reply to `keys` is what it was told, in order: lower case when that was only to be known."""

    def __init__(self) -> None:
        self._told: list[bytes] = []
        self.lookup_s = 0.0
        self.prepared = 0
        self._meeting = threading.Barrier(2)
        self._lock = threading.Lock()
        self._inside = 0

    @property
    def counts(self) -> frames.Counts:
        return frames.Counts(key_hits=self.prepared, key_misses=len(self._told) - self.prepared)

    def open_keys(self, key_id: bytes, directory: Path, *, at_once: bool) -> None:
        if directory.name == "cut":
            raise errors.KeyMaterialError("the key file is cut")
        if directory.name == "full":
            raise errors.WorkerCrashed("no space left")
        if directory.name == "slow":
            self.lookup_s = 3 * LOOKUP_S
        self._told.append(key_id.upper() if at_once else key_id)

    def open_crs(self, crs_id: bytes, file: Path, *, at_once: bool) -> None:
        self._told.append(crs_id.upper() if at_once else crs_id)

    def prepare(self, key_id: bytes, crs_id: bytes) -> None:
        if key_id == NEVER_KEY:
            raise errors.KeyMissing("no such key")
        self._told.append(b"!")
        self.prepared += 1

    def run(self, number: int, work: frames.ChildWork) -> Iterator[frames.Reply]:
        assert isinstance(work, SquashWork)
        yield frames.Output(number, work.ciphertext)
        verb, _, argument = work.ciphertext.ct64.decode().partition(" ")
        answer = getattr(self, verb)(argument)
        yield frames.Squashing(number, answer, 11)

    def echo(self, argument: str) -> bytes:
        return argument.encode()

    def keys(self, argument: str) -> bytes:
        return b"".join(self._told)

    def pid(self, argument: str) -> bytes:
        return str(os.getpid()).encode()

    def crash(self, argument: str) -> bytes:
        os.abort()

    def exit(self, argument: str) -> bytes:
        os._exit(7)

    def crash_beside(self, argument: str) -> bytes:
        while not Path(argument).exists():  # until the neighbour runs
            time.sleep(0.01)
        os.abort()

    def hang(self, argument: str) -> bytes:
        threading.Event().wait()
        return b""

    def hang_once(self, argument: str) -> bytes:
        marker = Path(argument)
        if not marker.exists():
            marker.touch()
            threading.Event().wait()
        return b"second life"

    def eat(self, argument: str) -> bytes:
        meal: list[bytearray] = []
        while len(meal) < int(argument):
            meal.append(bytearray(os.urandom(1 << 20)))
        threading.Event().wait()
        return b""

    def meet(self, argument: str) -> bytes:
        self._meeting.wait(60)
        return b"met"

    def beside(self, argument: str) -> bytes:
        """How many others run."""
        with self._lock:
            self._inside += 1
        for _ in range(1000):
            os.sched_yield()
        with self._lock:
            self._inside -= 1
            return str(self._inside).encode()

    def gulp(self, argument: str) -> bytes:
        return str(len(bytearray(int(argument) << 20))).encode()  # not touched, so the parent sees nothing

    def fail(self, argument: str) -> bytes:
        kind, _, text = argument.partition(" ")
        raise getattr(errors, kind)(text)

    def refuse(self, argument: str) -> bytes:
        raise FinerError(argument)

    def finer_fatal(self, argument: str) -> bytes:
        raise FinerFatal(argument)

    def environ(self, argument: str) -> bytes:
        return os.environ.get(argument, "").encode()

    def panic(self, argument: str) -> bytes:
        raise Panic("index out of bounds")

    def starve(self, argument: str) -> bytes:
        raise MemoryError


if __name__ == "__main__":
    child.start(child.arguments(sys.argv[1:]), OddJobs())
