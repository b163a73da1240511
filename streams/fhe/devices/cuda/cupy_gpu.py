"""GPUs by CuPy, which is imported here only, and only when the device `cuda` was chosen.

CuPy is not among the dependencies: an operator with GPUs installs the build for their CUDA release and NVRTC.
"""

import importlib
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, cast

import numpy as np

from streams.domain.errors import ConfigurationError, DeviceExhausted
from streams.fhe.devices.cuda import program
from streams.fhe.devices.cuda.fleet import Fleet
from streams.fhe.devices.cuda.gpu import Array, Buffer, Gpu, Launch, Memory, Properties
from streams.fhe.devices.cuda.program import Program

INSTALL: Final = (
    "install cupy-cuda12x<14, and nvidia-cuda-nvrtc-cu12 with nvidia-cuda-runtime-cu12 of one release,"
    " or set engine.device to cpu"
)

# Below it CuPy's own way: it stages an array in pinned memory of the next power of two bytes and keeps that,
# which for a key would be gigabytes.
_STAGED_BYTES: Final = 64 * 1024 * 1024
# A wave of the largest GPU, 6.5 MB, comes back in one piece. There are as many as downloads at a time.
_PINNED_BYTES: Final = 8 * 1024 * 1024
_OUT_OF_MEMORY: Final = 2  # the status of both, cudaErrorMemoryAllocation and CUDA_ERROR_OUT_OF_MEMORY


@cache
def fleet() -> Fleet:
    """All GPUs of this machine, once per process: reservations have to see each other.

    Raises:
        ConfigurationError: CuPy, the driver or a GPU is missing, or a GPU is too old.
    """
    cupy = _cupy()
    return Fleet.of([CupyGpu(cupy, index) for index in range(_count(cupy))])


def _cupy() -> Any:
    try:
        return importlib.import_module("cupy")
    except ImportError as error:
        raise ConfigurationError(f"the device cuda needs CuPy: {INSTALL}") from error


def _count(cupy: Any) -> int:
    try:
        return int(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise ConfigurationError(f"the device cuda needs a driver and a GPU: {error}") from error


class _Lease:
    """A stream of a thread, for as long as it lives.

    Drivers come and go with the items of a worker. CuPy keeps what was allocated on a stream for that stream:
    with one that is new, everything would be allocated anew.
    """

    def __init__(self, idle: list[Any], make: Callable[[], Any]) -> None:
        self._idle = idle
        try:
            self.stream = idle.pop()
        except IndexError:
            self.stream = make()

    def __del__(self) -> None:
        # What the thread left on it, if anything, comes before what the next one asks for.
        if hasattr(self, "stream"):
            self._idle.append(self.stream)


class CupyGpu(Gpu):
    """One GPU; every thread has a stream of its own on it.

    All calls raise DeviceExhausted where there is no memory: what a context, a stream or a program takes was
    reserved by nobody.
    """

    def __init__(self, cupy: Any, index: int) -> None:
        """Raises ConfigurationError if it lacks what the kernels use."""
        self._cupy = cupy
        self._device = cupy.cuda.Device(index)
        self._local = threading.local()
        self._idle = list[Any]()  # streams of threads that ended
        self._pinned = list[Array]()  # memory of the host that nobody copies to now
        self._abandoned = list[Array]()  # the same, of downloads that failed
        self._compiling = threading.Lock()
        self._functions = dict[tuple[Program, str], Any]()
        self._properties = _properties(cupy, index)
        _check(self._properties)

    @property
    def properties(self) -> Properties:
        """What it is."""
        return self._properties

    def memory(self) -> Memory:
        """What is free and what we hold."""
        with self._entered():
            free, _ = self._cupy.cuda.runtime.memGetInfo()
            held = self._cupy.get_default_memory_pool().total_bytes()
        return Memory(int(free), int(held))

    def upload(self, array: Array) -> Buffer:
        """A copy of an array's elements, in row-major order."""
        host = np.ascontiguousarray(array)
        with self._here():
            if host.nbytes < _STAGED_BYTES:
                return cast("Buffer", self._cupy.asarray(host))
            buffer = self._cupy.empty(host.shape, host.dtype)
            buffer.set(host)
            self._local.lease.stream.synchronize()
            return cast("Buffer", buffer)

    def empty(self, nbytes: int) -> Buffer:
        """Memory with any content."""
        with self._here():
            return cast("Buffer", self._cupy.empty(nbytes, np.uint8))

    def download(self, buffer: Buffer, like: type[np.generic], shape: tuple[int, ...]) -> Array:
        """A copy of the content, after all that this thread asked for."""
        content = cast("Any", buffer).reshape(-1).view(np.uint8)
        found = np.empty(buffer.nbytes, np.uint8)
        with self._here(), self._staging() as host:
            for first in range(0, len(found), len(host)):
                piece = slice(first, min(first + len(host), len(found)))
                came = host[: piece.stop - first]
                stream = self._local.lease.stream
                self._cupy.asnumpy(content[piece], stream=stream, out=came)
                # By then it is there, after all that this thread asked for before.
                stream.synchronize()
                found[piece] = came
        return found.view(like).reshape(shape)

    def wait(self) -> None:
        """Until all that this thread asked for has happened; then other threads may use it."""
        with self._here():
            self._local.lease.stream.synchronize()

    def launch(self, launch: Launch) -> None:
        """Begins; compiles the program where that is due."""
        with self._here():
            function = self._function(launch.program, launch.kernel, launch.shared_bytes)
            function(
                launch.grid, (launch.threads,), _passed(launch.arguments), shared_mem=launch.shared_bytes
            )

    def _function(self, source: Program, kernel: str, shared_bytes: int) -> Any:
        with self._compiling:
            key = (source, kernel)
            if key not in self._functions:
                function = self._compiled(source, kernel)
                if shared_bytes:
                    # More than 48 KB are given only to who asks.
                    function.max_dynamic_shared_size_bytes = shared_bytes
                self._functions[key] = function
            return self._functions[key]

    def _compiled(self, source: Program, kernel: str) -> Any:
        # CuPy compiles for the GPU that is current, and keeps the machine code in its own cache on disk.
        module = self._cupy.RawModule(code=source.source(), options=program.OPTIONS, backend="nvrtc")
        try:
            return module.get_function(kernel)
        except Exception as error:
            # The driver's errors may pass; that there is no compiler, or not all that it needs, does not.
            if isinstance(error, MemoryError) or hasattr(error, "status"):
                raise
            raise ConfigurationError(f"CuPy cannot compile {source.name}: {error}; {INSTALL}") from error

    @contextmanager
    def _here(self) -> Generator[None]:
        """This GPU and this thread's stream on it, for one call."""
        with self._entered():
            if not hasattr(self._local, "lease"):
                self._local.lease = _Lease(self._idle, lambda: self._cupy.cuda.Stream(non_blocking=True))
            with self._local.lease.stream:
                yield

    @contextmanager
    def _staging(self) -> Generator[Array]:
        """Pinned memory, of one download at a time: the driver copies to any other by way of its own."""
        try:
            host = self._pinned.pop()
        except IndexError:
            pinned = self._cupy.cuda.alloc_pinned_memory(_PINNED_BYTES)
            host = np.frombuffer(pinned, np.uint8, _PINNED_BYTES)
        try:
            yield host
        except BaseException:
            # A copy to it may be under way: CuPy, which would lend it again, does not get it back either.
            self._abandoned.append(host)
            raise
        self._pinned.append(host)

    @contextmanager
    def _entered(self) -> Generator[None]:
        try:
            with self._device:
                yield
        except Exception as error:
            is_short = isinstance(error, self._cupy.cuda.memory.OutOfMemoryError)
            if is_short or getattr(error, "status", None) == _OUT_OF_MEMORY:
                raise DeviceExhausted(f"{self._properties.name}: {error}") from error
            raise


def _passed(arguments: Sequence[Buffer | int]) -> tuple[Any, ...]:
    return tuple(np.int32(each) if isinstance(each, int) else each for each in arguments)


def _properties(cupy: Any, index: int) -> Properties:
    found = cupy.cuda.runtime.getDeviceProperties(index)
    return Properties(
        found["name"].decode(),
        (int(found["major"]), int(found["minor"])),
        int(found["multiProcessorCount"]),
        int(found["sharedMemPerBlockOptin"]),
    )


def _check(properties: Properties) -> None:
    if properties.architecture < program.OLDEST:
        raise ConfigurationError(f"{properties.name} is older than sm_80, for which the kernels are made")
    due = max(each.shared_bytes for each in program.variants(properties.architecture))
    if properties.shared_bytes < due:
        raise ConfigurationError(f"{properties.name} has too little shared memory: {due} bytes are due")
