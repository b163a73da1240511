"""A GPU that is a C compiler: the device's own kernels run on the CPU, one fiber for each thread.

`cc` is what cargo links with, so it is there wherever the wheels were built.
"""

import ctypes
import subprocess
import tempfile
import weakref
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from streams.fhe.devices.cuda.gpu import Array, Launch, Memory, Properties
from streams.fhe.devices.cuda.program import INTEGER_PROGRAM, SQUASHING_PROGRAM, Program, Variant

HERE = Path(__file__).parent / "emulation"
MACHINE = (HERE / "machine.h").read_text()
# IEEE operations as they are written, as NVRTC keeps them; types share memory, as on a GPU.
FLAGS = ("-std=gnu11", "-ftree-vectorize", "-march=native", "-ffp-contract=off", "-fno-strict-aliasing", "-w")
LIBRARY = ("-shared", "-fPIC", "-fvisibility=hidden")
ORDERS = {"up": 0, "down": 1, "shuffled": 2, "drifting": 5}
GUARD = 64  # bytes on both sides of a buffer
FILL = 0xC5
MI = 1 << 20
ROTATION = Variant(3, 1).program  # of one wave on a GPU of one multiprocessor
TAILS = {INTEGER_PROGRAM: "integers.h", SQUASHING_PROGRAM: "squashing.h"}
OUTCOMES = ("", "threads wait for each other", "the launch is too large", "outside of its shared memory")


class Faulty(Exception):
    """The kernel did what would be an error, or the end, on a GPU."""


@dataclass(frozen=True)
class Fault:
    """A change of a program's text: of the nth place where `old` stands."""

    program: Program
    old: str
    new: str
    nth: int = 0
    then: "Fault | None" = None  # another change of the changed text

    def planted(self, text: str) -> str:
        """The changed text; raises ValueError where there is nothing to change."""
        pieces = text.split(self.old)
        if len(pieces) <= self.nth + 1:
            raise ValueError(f"not in the source: {self.old}")
        before, after = pieces[: self.nth + 1], pieces[self.nth + 1 :]
        changed = self.old.join(before) + self.new + self.old.join(after)
        return self.then.planted(changed) if self.then else changed


BROKEN = Fault(ROTATION, "256 - (place->column & 1)", "256")  # rounds with a bias: bits differ, values do not


@cache
def library(program: Program, fault: Fault | None = None) -> ctypes.CDLL:
    """The program's kernels as functions."""
    text = program.source(MACHINE)
    tail = TAILS.get(program, "rotation.h")
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "kernels.c", Path(folder) / "kernels.so"
        source.write_text((fault.planted(text) if fault else text) + (HERE / tail).read_text())
        # What is wrong runs for a moment only; products of bytes take long in any case.
        level = "-O0" if fault and program != INTEGER_PROGRAM else "-O1"
        subprocess.run(["cc", level, *FLAGS, *LIBRARY, "-o", made, source, "-lm"], check=True)
        return ctypes.CDLL(str(made))


class EmulatedBuffer:
    """Memory between two guards."""

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        # on a boundary of 64 bytes, which a bulk copy and vector loads ask for
        whole = np.full(nbytes + 3 * GUARD, FILL, np.uint8)
        first = GUARD + -whole.ctypes.data % GUARD
        self._whole = whole[first - GUARD : first + nbytes + GUARD]
        self.content = self._whole[GUARD : GUARD + nbytes]

    def check(self) -> None:
        """Raises Faulty if somebody wrote beside it."""
        if (self._whole[:GUARD] != FILL).any() or (self._whole[GUARD + self.nbytes :] != FILL).any():
            raise Faulty("a kernel wrote outside of a buffer")


class EmulatedGpu:
    """Runs kernels at once, in the given order of threads."""

    def __init__(
        self,
        architecture: tuple[int, int] = (9, 0),
        order: str = "up",
        multiprocessors: int = 1,
        memory_bytes: int = 4096 * MI,
        fault: Fault | None = None,
    ) -> None:
        self.properties = Properties("emulated", architecture, multiprocessors, 232_448)
        self.order = order
        self.launches = list[Launch]()
        self.waits = 0
        self.held = 0
        self.peak = 0
        self._memory_bytes = memory_bytes
        self.fault = fault  # may be set while it serves

    def memory(self) -> Memory:
        return Memory(self._memory_bytes - self.held, self.held)

    def empty(self, nbytes: int) -> EmulatedBuffer:
        buffer = EmulatedBuffer(nbytes)
        self._hold(nbytes)
        weakref.finalize(buffer, self._hold, -nbytes)
        return buffer

    def upload(self, array: Array) -> EmulatedBuffer:
        buffer = self.empty(array.nbytes)
        buffer.content[:] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        return buffer

    def download(self, buffer: Any, like: type[np.generic], shape: tuple[int, ...]) -> Array:
        return buffer.content.copy().view(like).reshape(shape)

    def wait(self) -> None:
        self.waits += 1

    def launch(self, launch: Launch) -> None:
        self.launches.append(replace(launch, arguments=()))
        planted = self.fault if self.fault and self.fault.program == launch.program else None
        kernel = getattr(library(launch.program, planted), f"emulate_{launch.kernel}")
        sizes = (*launch.grid, launch.threads, launch.shared_bytes, ORDERS[self.order])
        values: list[Any] = [_value(each) for each in launch.arguments]
        places = [ctypes.c_void_p(ctypes.addressof(value)) for value in values]
        pointers = (ctypes.c_void_p * len(places))(*places)  # as a driver takes arguments
        outcome: int = kernel(pointers, *map(ctypes.c_uint32, sizes))
        if outcome != 0:
            raise Faulty(OUTCOMES[outcome])
        for each in launch.arguments:
            if isinstance(each, EmulatedBuffer):
                each.check()

    def _hold(self, nbytes: int) -> None:
        self.held += nbytes
        self.peak = max(self.peak, self.held)


class DeadGpu(EmulatedGpu):
    """Fails at every kernel, as a driver does of a GPU that broke down."""

    def launch(self, launch: Launch) -> None:
        raise Faulty(f"an illegal address in {launch.kernel}")


def _value(argument: Any) -> Any:
    if isinstance(argument, EmulatedBuffer):
        return ctypes.c_void_p(argument.content.ctypes.data)
    return ctypes.c_int32(argument)
