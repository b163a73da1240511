"""What a child has open: as many suites as its memory allows; the least used makes room for another."""

import ctypes
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

import structlog

_ITEMS_SHARE: Final = 8  # one part in eight of the memory is for the items themselves
_KIB: Final = 1024

_Key = TypeVar("_Key")
_Suite = TypeVar("_Suite")
_log = structlog.get_logger(__name__)


class Memory(Protocol):
    """What this process occupies, in bytes."""

    def resident(self) -> int: ...

    def peak(self) -> int: ...

    def give_back(self) -> None:
        """Hand freed memory back to the system."""
        ...


class ProcessMemory:
    """The kernel's word on this process."""

    def resident(self) -> int:
        """Now."""
        return _status_bytes("VmRSS")

    def peak(self) -> int:
        """At most, since the start."""
        return _status_bytes("VmHWM")

    def give_back(self) -> None:
        """The allocator keeps what was freed unless it is told; not every C library can be."""
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


class Shelf(Generic[_Key, _Suite]):
    """Opens suites when they are asked for; calls of several threads share what is open.

    What opening takes is learnt from the openings so far, so the first two may be one too many for a bound
    that holds only one: then the parent ends the child, as it does for any other reason.
    """

    def __init__(
        self,
        open_suite: Callable[[_Key], _Suite],
        memory_bytes_max: int = 0,
        memory: Memory | None = None,
    ) -> None:
        self._open_suite = open_suite
        self._bytes_max = memory_bytes_max - memory_bytes_max // _ITEMS_SHARE  # 0 = no bound
        self._memory = memory or ProcessMemory()
        self._suites: dict[_Key, _Suite] = {}  # the least used first
        self._changing = threading.Lock()
        self._opening = threading.Lock()  # one at a time: together they would exceed the bound
        self._cost_bytes = 0

    def get(self, key: _Key) -> _Suite:
        """The suite, opened now if need be; raises what opening raises."""
        suite = self._used(key)
        if suite is None:
            with self._opening:
                suite = self._used(key) or self._opened(key)
        return suite

    def _used(self, key: _Key) -> _Suite | None:
        with self._changing:
            suite = self._suites.pop(key, None)
            if suite is not None:
                self._suites[key] = suite
            return suite

    def _opened(self, key: _Key) -> _Suite:
        self._make_room()
        before, peak = self._memory.resident(), self._memory.peak()
        suite = self._open_suite(key)
        top = max(self._memory.resident(), self._memory.peak() if self._memory.peak() > peak else 0)
        self._cost_bytes = max(self._cost_bytes, top - before)
        with self._changing:
            self._suites[key] = suite
        return suite

    def _make_room(self) -> None:
        while self._bytes_max and self._memory.resident() + self._cost_bytes > self._bytes_max:
            with self._changing:
                if not self._suites:
                    return
                self._suites.pop(next(iter(self._suites)))
            self._memory.give_back()  # unless an item still uses it
            _log.info("a suite was closed", action="suite_closed", open=len(self._suites))


def _status_bytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * _KIB
    return 0
