"""What is asked of one GPU: memory, copies, launches. `cupy_gpu` is the real one, tests emulate one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streams.fhe.devices.cuda.program import Program

Array: TypeAlias = NDArray[Any]


class Buffer(Protocol):
    """Memory of a GPU; given back when nobody holds it."""

    @property
    def nbytes(self) -> int:
        """Its size."""
        ...


@dataclass(frozen=True, slots=True)
class Properties:
    """What decides about variants and sizes."""

    name: str
    architecture: tuple[int, int]
    multiprocessors: int
    shared_bytes: int  # that one block may ask for


@dataclass(frozen=True, slots=True)
class Memory:
    """Of this moment, in bytes."""

    free: int  # on the GPU, for every process
    held: int  # by this process, keys included


@dataclass(frozen=True, slots=True)
class Launch:
    """A kernel over a grid; integers are passed as 32 bits."""

    program: Program
    kernel: str
    grid: tuple[int, int]
    threads: int
    arguments: Sequence[Buffer | int]
    shared_bytes: int = 0


class Gpu(Protocol):
    """One GPU. Copies and launches of a thread happen in their order; several threads may use it."""

    @property
    def properties(self) -> Properties:
        """What it is."""
        ...

    def memory(self) -> Memory:
        """What is free and what we hold."""
        ...

    def upload(self, array: Array) -> Buffer:
        """A copy of an array's elements, in row-major order."""
        ...

    def empty(self, nbytes: int) -> Buffer:
        """Memory with any content."""
        ...

    def download(self, buffer: Buffer, like: type[np.generic], shape: tuple[int, ...]) -> Array:
        """A copy of the content, after all that this thread asked for."""
        ...

    def wait(self) -> None:
        """Until all that this thread asked for has happened; then other threads may use it."""
        ...

    def launch(self, launch: Launch) -> None:
        """Begins; compiles the program where that is due."""
        ...
