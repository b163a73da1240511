"""The GPUs of a process, and what lies on each of them for as long as it is used: keys."""

import threading
import weakref
from collections.abc import Sequence
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
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def holding(self, resident: Resident) -> Buffer:
        """Its copy on this GPU; the first call uploads it, and others wait for that."""
        with self._lock:
            found = self._resident.get(resident)
            if found is None:
                found = self.gpu.upload(resident.array())
                self.gpu.wait()  # the next one to use it has a stream of its own
                self._resident[resident] = found
                self.memory.keep(found.nbytes)
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
