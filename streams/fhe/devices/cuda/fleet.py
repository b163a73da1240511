"""The GPUs of a process, and what lies on each of them for as long as it is used: keys."""

import threading
import weakref
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol, Self

import structlog

from streams.domain.errors import ConfigurationError
from streams.fhe.devices.cuda.gpu import Array, Buffer, Gpu
from streams.fhe.devices.cuda.memory import Reservations

log = structlog.get_logger()


class Resident(Protocol):
    """What stays on a GPU from its first use until nobody holds the object."""

    def array(self) -> Array:
        """Its content; asked for once on each GPU."""
        ...


@dataclass(frozen=True, eq=False)
class Seat:
    """One GPU with what belongs to it."""

    gpu: Gpu
    memory: Reservations
    _resident: "weakref.WeakKeyDictionary[Resident, Buffer]" = field(
        default_factory=lambda: weakref.WeakKeyDictionary[Resident, Buffer]()
    )
    _turns: "weakref.WeakKeyDictionary[Resident, threading.Lock]" = field(
        default_factory=lambda: weakref.WeakKeyDictionary[Resident, threading.Lock]()
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def working(self, nbytes: int, *residents: Resident) -> Generator[None]:
        """Memory for a batch until the block ends, on a GPU that has what the batch reads.

        Raises:
            DeviceExhausted: one of them or the batch does not fit, or others hold the memory for long.
        """
        # First: a batch that waited for a key's memory with its own in hand would wait for batches that
        # do the same.
        for each in residents:
            self.holding(each)
        with self.memory.reserved(nbytes):
            yield

    def holding(self, resident: Resident) -> Buffer:
        """Its copy on this GPU; the first call uploads it, and others wait for that.

        Raises:
            DeviceExhausted: it does not fit, or others hold the memory for long.
        """
        with self._lock:
            found = self._resident.get(resident)
            turn = self._turns.setdefault(resident, threading.Lock())
        if found is not None:
            return found
        # A turn for each: batches under way, whose memory this may wait for, reach what lies here already.
        with turn:
            with self._lock:
                found = self._resident.get(resident)
            return found if found is not None else self._uploaded(resident)

    def _uploaded(self, resident: Resident) -> Buffer:
        array = resident.array()
        with self.memory.reserved(array.nbytes):
            found = self.gpu.upload(array)
            self.gpu.wait()  # the next one to use it has a stream of its own
            # Before the reservation ends: no batch may be promised this memory in between.
            self.memory.keep(found.nbytes)
        with self._lock:
            self._resident[resident] = found
        weakref.finalize(resident, self.memory.keep, -found.nbytes)
        log.info("key uploaded", action="gpu-key", nbytes=found.nbytes)
        return found


@dataclass(frozen=True)
class Fleet:
    """GPUs that take turns."""

    seats: tuple[Seat, ...]
    _turns: "count[int]" = field(default_factory=count)

    @classmethod
    def of(cls, gpus: Sequence[Gpu]) -> Self:
        """Raises ConfigurationError if there is none."""
        if not gpus:
            raise ConfigurationError("the device cuda was chosen, and this machine has no GPU")
        return cls(tuple(Seat(gpu, Reservations(gpu)) for gpu in gpus))

    def next(self) -> Seat:
        """Round robin, from any thread."""
        return self.seats[next(self._turns) % len(self.seats)]

    def only(self, index: int) -> Self:
        """One of these GPUs alone; an index that none has means the first one."""
        if not 0 <= index < len(self.seats):
            log.warning("no GPU has this index, the first one serves", action="gpu-fallback", index=index)
            index = 0
        return type(self)((self.seats[index],))
