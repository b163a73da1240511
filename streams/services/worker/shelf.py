"""What a child has open: as many suites as number and memory allow; the least used makes room for another."""

import contextlib
import ctypes
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

import structlog

from streams.fhe.mapped_bytes import mapped_total
from streams.fhe.suite import Tally

# One part in eight of the memory is for the items themselves and for what is kept decompressed; suites and
# the values in flight (`jobs`) share the others.
_ITEMS_SHARE: Final = 8
_KIB: Final = 1024

_Key = TypeVar("_Key")
_Suite = TypeVar("_Suite")
_log = structlog.get_logger(__name__)


class Memory(Protocol):
    """What this process occupies, in bytes."""

    def resident(self) -> int: ...

    def peak(self) -> int: ...

    def mapped(self) -> int:
        """Of key files: each of their pages occupies memory once it is touched."""
        ...

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

    def mapped(self) -> int:
        """Now."""
        return mapped_total()

    def give_back(self) -> None:
        """The allocator keeps what was freed unless it is told; not every C library can be."""
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


@dataclass
class _Entry(Generic[_Suite]):
    suite: _Suite
    users: int = 0


class Shelf(Generic[_Key, _Suite]):
    """Opens suites when they are asked for; calls of several threads share what is open.

    A suite that is in use is never closed: closing it would give nothing back. Who needs room waits until
    one is free, and whoever comes later waits for it, so that two key sets in steady use take turns.

    What opening takes is learnt from the openings so far, so the first two may be one too many for a bound
    that holds only one: then the parent ends the child, as it does for any other reason.
    """

    def __init__(
        self,
        open_suite: Callable[[_Key], _Suite],
        memory_bytes_max: int = 0,
        memory: Memory | None = None,
        tally: Callable[[_Suite], Tally] = lambda _: Tally(),
        suites_max: int = 0,
        on_room: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`on_room` hears how many bytes the open suites leave, where there is a bound: it may be none."""
        self._open_suite = open_suite
        self._suites_max = suites_max  # 0 = as many as memory allows
        self._bytes_max = memory_bytes_max - memory_bytes_max // _ITEMS_SHARE  # 0 = no bound
        self._memory = memory or ProcessMemory()
        self._tally = tally
        self._entries: dict[_Key, _Entry[_Suite]] = {}  # the least used first
        self._changed = threading.Condition()
        self._opening = threading.Lock()  # one at a time: together they would exceed the bound
        self._is_room_wanted = False
        self._on_room = on_room
        self._base_bytes = memory_bytes_max  # what is occupied without any suite, once it was seen
        self._cost_bytes = 0
        self._hits = 0
        self._misses = 0
        self._closed = Tally()

    @contextlib.contextmanager
    def use(self, key: _Key) -> Generator[_Suite]:
        """The suite, opened now if need be and open while it is used; raises what opening raises."""
        entry = self._taken(key)
        if entry is None:
            with self._opening:
                # asked again: whoever held the lock may have opened the same one
                entry = self._taken(key) or self._opened(key)
        try:
            yield entry.suite
        finally:
            with self._changed:
                entry.users -= 1
                self._changed.notify_all()

    def load(self, key: _Key) -> None:
        """Have that suite open, for use later."""
        with self.use(key):
            return

    @property
    def is_room_wanted(self) -> bool:
        """Whether somebody waits until a suite is no longer used."""
        return self._is_room_wanted

    def lookups(self) -> tuple[int, int]:
        """How often a suite was open when it was asked for, and how often not."""
        with self._changed:
            return self._hits, self._misses

    def tallied(self) -> Tally:
        """The suites' own counts, those of closed ones included."""
        with self._changed:
            return sum((self._tally(entry.suite) for entry in self._entries.values()), self._closed)

    def _taken(self, key: _Key) -> _Entry[_Suite] | None:
        with self._changed:
            self._changed.wait_for(lambda: not self._is_room_wanted)
            entry = self._entries.pop(key, None)
            if entry is not None:
                self._entries[key] = entry
                entry.users += 1
                self._hits += 1
            return entry

    def _opened(self, key: _Key) -> _Entry[_Suite]:
        self._make_room()
        self._base_bytes = min(self._base_bytes, self._memory.resident())
        # Before it takes any of it.
        self._tell_room(opening=1)
        try:
            return self._measured(key)
        finally:
            self._tell_room()

    def _measured(self, key: _Key) -> _Entry[_Suite]:
        before, peak, mapped = self._memory.resident(), self._memory.peak(), self._memory.mapped()
        suite = self._open_suite(key)
        # The peak while opening counts, not what is left afterwards: it is what has to fit next time.
        top = max(self._memory.resident(), self._memory.peak() if self._memory.peak() > peak else 0)
        # Keys that are mapped occupy nothing yet: they will when they are used.
        self._cost_bytes = max(self._cost_bytes, top - before, self._memory.mapped() - mapped)
        with self._changed:
            self._misses += 1
            self._entries[key] = entry = _Entry(suite, users=1)
        return entry

    def _make_room(self) -> None:
        with self._changed:
            try:
                while self._entries and self._lacks_room():
                    self._close_one()
            finally:
                self._is_room_wanted = False
                self._changed.notify_all()

    def _lacks_room(self) -> bool:
        if self._suites_max and len(self._entries) >= self._suites_max:
            return True
        taken = max(self._memory.resident(), len(self._entries) * self._cost_bytes)
        return bool(self._bytes_max) and taken + self._cost_bytes > self._bytes_max

    def _tell_room(self, opening: int = 0) -> None:
        if not self._bytes_max:
            return
        with self._changed:
            suites = len(self._entries) + opening
        # By what opening took and not by what is resident, in which values in flight are.
        self._on_room(max(0, self._bytes_max - self._base_bytes - suites * self._cost_bytes))

    def _close_one(self) -> None:
        idle = next((key for key, entry in self._entries.items() if not entry.users), None)
        if idle is None:
            # Seen by `_taken`: later comers wait, so that the suites in use become free at all.
            self._is_room_wanted = True
            self._changed.wait()
            return
        self._closed += self._tally(self._entries[idle].suite)
        del self._entries[idle]
        self._memory.give_back()
        _log.info("a suite was closed", action="suite_closed", open=len(self._entries))


def _status_bytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * _KIB
    return 0
