"""CuPy behind the port, on a twin of the few of its names that are used; what is missing is told by name."""

import importlib
import sys
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streams.domain.errors import ConfigurationError, DeviceExhausted
from streams.fhe.devices.cuda import cupy_gpu
from streams.fhe.devices.cuda.cupy_gpu import CupyGpu, fleet
from streams.fhe.devices.cuda.gpu import Launch, Memory, Properties
from streams.fhe.devices.cuda.program import INTEGER_PROGRAM, Variant

H200 = {
    "name": b"NVIDIA H200",
    "major": 9,
    "minor": 0,
    "multiProcessorCount": 132,
    "sharedMemPerBlockOptin": 232_448,
}


class RuntimeFault(Exception):
    """CuPy's error of the driver."""

    def __init__(self, told: str, status: int = 1) -> None:
        super().__init__(told)
        self.status = status


class PoolIsEmpty(MemoryError):
    """CuPy's error of its own pool."""


class Kernel:
    def __init__(self, name: str, called: list[Any]) -> None:
        self.name = name
        self.max_dynamic_shared_size_bytes = 0
        self._called = called

    def __call__(self, grid: Any, block: Any, arguments: Any, *, shared_mem: int) -> None:
        room = self.max_dynamic_shared_size_bytes
        self._called.append((self.name, grid, block, arguments, shared_mem, room))


class Stream:
    """What is copied to the host is there when somebody waits for it, and nothing of use before."""

    def __init__(self) -> None:
        self._copies = list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]()

    def copy(self, source: np.ndarray[Any, Any], out: np.ndarray[Any, Any]) -> None:
        assert (source.shape, source.dtype) == (out.shape, out.dtype)
        out[...] = 0xAA
        self._copies.append((source, out))

    def deliver(self) -> None:
        for source, out in self._copies:
            out[...] = source
        self._copies.clear()


class FakeCupy(ModuleType):
    """GPUs of host memory; what would run is written down."""

    def __init__(self, *gpus: dict[str, Any], fault: Exception | None = None) -> None:
        super().__init__("cupy")
        self.called = list[Any]()
        self.compiled = list[tuple[str, Any, str]]()
        self.entered = list[str]()
        runtime = SimpleNamespace(
            CUDARuntimeError=RuntimeFault,
            getDeviceCount=partial(self._count, len(gpus), fault),
            getDeviceProperties=gpus.__getitem__,
            memGetInfo=partial(tuple, (1000, 5000)),
        )
        memory = SimpleNamespace(OutOfMemoryError=PoolIsEmpty)
        self.cuda = SimpleNamespace(
            runtime=runtime,
            memory=memory,
            Device=self._device,
            Stream=self._stream,
            alloc_pinned_memory=self._pin,
        )
        self.pinned = list[bytearray]()
        self.on_delivered: Callable[[], object] = lambda: None
        self.asarray = np.array
        self.empty = np.empty

    def asnumpy(self, array: Any, *, stream: Any, out: np.ndarray[Any, Any]) -> None:
        stream.copies.copy(array, out)

    def _pin(self, nbytes: int) -> bytearray:
        self.pinned.append(bytearray(nbytes))
        return self.pinned[-1]

    def get_default_memory_pool(self) -> Any:
        return SimpleNamespace(total_bytes=lambda: 300)

    def RawModule(self, *, code: str, options: Any, backend: str) -> Any:  # noqa: N802
        self.compiled.append((code, options, backend))
        return SimpleNamespace(get_function=partial(Kernel, called=self.called))

    def _count(self, count: int, fault: Exception | None) -> int:
        if fault is not None:
            raise fault
        return count

    def _device(self, index: int) -> Any:
        return self._context(f"gpu {index}")

    def _stream(self, *, non_blocking: bool) -> Any:
        return self._context(f"stream {non_blocking}")

    def _context(self, name: str) -> Any:
        cupy = self

        class Entered:
            copies = Stream()

            def __enter__(self) -> None:
                cupy.entered.append(name)

            def __exit__(self, *_: object) -> None:
                cupy.entered.append(f"-{name}")

            def synchronize(self) -> None:
                cupy.entered.append("waited")
                self.copies.deliver()
                cupy.on_delivered()

        return Entered()


@contextmanager
def installed(module: ModuleType | None, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    fleet.cache_clear()
    monkeypatch.setitem(sys.modules, "cupy", module)
    yield
    fleet.cache_clear()


def test_cupy_is_imported_by_nobody_else() -> None:
    """A machine without it has every module of ours but the GPUs themselves."""
    assert importlib.import_module("streams.fhe.devices.cuda.device").__name__
    assert "cupy" not in sys.modules


def test_a_missing_cupy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        installed(None, monkeypatch),
        pytest.raises(ConfigurationError, match="needs CuPy: install cupy-cuda12x"),
    ):
        fleet()


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = FakeCupy(fault=RuntimeFault("CUDA driver version is insufficient"))
    with (
        installed(cupy, monkeypatch),
        pytest.raises(ConfigurationError, match="a driver and a GPU: CUDA driver version is insufficient"),
    ):
        fleet()


def test_a_missing_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with installed(FakeCupy(), monkeypatch), pytest.raises(ConfigurationError, match="has no GPU"):
        fleet()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"major": 7, "minor": 5}, "older than sm_80"),
        ({"sharedMemPerBlockOptin": 49_152}, "214400 bytes are due"),
    ],
)
def test_a_gpu_that_cannot_run_the_kernels_is_named(changed: dict[str, int], told: str) -> None:
    with pytest.raises(ConfigurationError, match=f"NVIDIA H200 .*{told}"):
        CupyGpu(FakeCupy(H200 | changed), 0)


def test_a_fleet_is_all_gpus_and_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with installed(FakeCupy(H200, H200), monkeypatch):
        assert [seat.gpu.properties for seat in fleet().seats] == 2 * [
            Properties("NVIDIA H200", (9, 0), 132, 232_448)
        ]
        assert fleet() is fleet()


def test_calls_happen_on_the_gpu_and_on_the_threads_stream() -> None:
    cupy = FakeCupy(H200, H200)
    gpu = CupyGpu(cupy, 1)
    gpu.empty(16)
    gpu.empty(16)
    assert cupy.entered == 2 * ["gpu 1", "stream True", "-stream True", "-gpu 1"]
    assert gpu.memory() == Memory(free=1000, held=300)


def test_one_waits_for_the_threads_own_stream() -> None:
    cupy = FakeCupy(H200)
    CupyGpu(cupy, 0).wait()
    assert cupy.entered == ["gpu 0", "stream True", "waited", "-stream True", "-gpu 0"]


class SettableArray(np.ndarray[Any, Any]):
    """CuPy's arrays take a copy of host memory."""

    def set(self, host: np.ndarray[Any, Any]) -> None:
        assert (self.shape, self.dtype) == (host.shape, host.dtype)
        self[...] = host


def test_a_key_is_not_staged_in_memory_that_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cupy_gpu, "_STAGED_BYTES", 96)
    cupy = FakeCupy(H200)
    cupy.asarray = partial(raising, RuntimeFault("staged"))
    cupy.empty = lambda *shape: np.empty(*shape).view(SettableArray)
    gpu, key = CupyGpu(cupy, 0), np.arange(12, dtype=np.uint64)
    assert np.array_equal(gpu.download(gpu.upload(key), np.uint64, (12,)), key)
    assert "waited" in cupy.entered  # the host's memory may be anything from here on
    with pytest.raises(RuntimeFault, match="staged"):
        gpu.upload(key[1:])


def raising(fault: Exception, *_: object, **__: object) -> Any:
    raise fault


def test_a_driver_without_memory_is_an_exhausted_gpu() -> None:
    cupy = FakeCupy(H200)
    gpu = CupyGpu(cupy, 0)
    short = partial(raising, RuntimeFault("cudaErrorMemoryAllocation: out of memory", 2))
    cupy.cuda.Stream = cupy.cuda.runtime.memGetInfo = short
    for call in (partial(gpu.empty, 16), gpu.memory):
        with pytest.raises(DeviceExhausted, match="NVIDIA H200: cudaErrorMemoryAllocation"):
            call()
    assert cupy.entered == 2 * ["gpu 0", "-gpu 0"]


def test_a_pool_without_memory_is_an_exhausted_gpu() -> None:
    cupy = FakeCupy(H200)
    cupy.empty = partial(raising, PoolIsEmpty("Out of memory allocating 16 bytes"))
    with pytest.raises(DeviceExhausted, match="NVIDIA H200: Out of memory allocating 16 bytes"):
        CupyGpu(cupy, 0).empty(16)


def test_another_fault_of_the_driver_stays_what_it_is() -> None:
    cupy = FakeCupy(H200)
    gpu = CupyGpu(cupy, 0)
    cupy.empty = partial(raising, RuntimeFault("cudaErrorIllegalAddress", 700))
    with pytest.raises(RuntimeFault, match="IllegalAddress"):
        gpu.empty(16)


def test_arrays_go_and_come_back() -> None:
    gpu = CupyGpu(FakeCupy(H200), 0)
    given = np.arange(12, dtype=np.uint64).reshape(3, 4)[:, ::2]
    buffer = gpu.upload(given)
    assert buffer.nbytes == 48
    assert np.array_equal(gpu.download(buffer, np.uint64, (3, 2)), given)


@pytest.mark.parametrize("pinned", [40, 96, 1000])
def test_what_came_back_is_the_callers_own(pinned: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pinned memory is used again for the next piece and the next download."""
    monkeypatch.setattr(cupy_gpu, "_PINNED_BYTES", pinned)
    cupy = FakeCupy(H200)
    gpu = CupyGpu(cupy, 0)
    given = [np.arange(first, first + 12, dtype=np.uint64) for first in (0, 100)]
    found = [gpu.download(gpu.upload(each), np.uint64, (3, 4)) for each in given]
    for each, due in zip(found, given, strict=True):
        assert np.array_equal(each.reshape(-1), due)
    assert [len(each) for each in cupy.pinned] == [pinned]
    assert gpu.download(gpu.empty(0), np.uint64, (0, 4)).shape == (0, 4)


def test_downloads_beside_each_other_have_pinned_memory_of_their_own() -> None:
    cupy = FakeCupy(H200)
    gpu = CupyGpu(cupy, 0)
    cupy.on_delivered = threading.Barrier(2, timeout=60).wait  # before either is taken out
    given = [np.full(5, number, np.uint64) for number in (1, 2)]
    for _ in range(3):
        with ThreadPoolExecutor(2) as threads:
            buffers = list(map(gpu.upload, given))
            found = list(threads.map(lambda each: gpu.download(each, np.uint64, (5,)), buffers))
        assert np.array_equal(found, given)
    assert len(cupy.pinned) == 2


def test_pinned_memory_of_a_download_that_failed_is_not_used_again() -> None:
    """The copy may still be under way."""
    cupy = FakeCupy(H200)
    gpu, made = CupyGpu(cupy, 0), cupy.asnumpy
    buffer = gpu.upload(np.arange(4, dtype=np.uint64))
    cupy.asnumpy = partial(raising, RuntimeFault("cudaErrorIllegalAddress", 700))
    with pytest.raises(RuntimeFault, match="IllegalAddress"):
        gpu.download(buffer, np.uint64, (4,))
    cupy.asnumpy = made
    assert gpu.download(buffer, np.uint64, (4,)).tolist() == [0, 1, 2, 3]
    assert len(cupy.pinned) == 2
    assert len(gpu._abandoned) == 1  # pyright: ignore[reportPrivateUsage]
    cupy.cuda.alloc_pinned_memory = partial(raising, RuntimeFault("cudaErrorMemoryAllocation", 2))
    gpu._pinned.clear()  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(DeviceExhausted, match="cudaErrorMemoryAllocation"):
        gpu.download(buffer, np.uint64, (4,))


def test_a_program_is_compiled_once_and_given_its_shared_memory() -> None:
    cupy = FakeCupy(H200)
    gpu, variant = CupyGpu(cupy, 0), Variant(3, 1)
    buffer = gpu.empty(8)
    launch = Launch(variant.program, "blind_rotate", (5, 1), 384, (buffer, 7), variant.shared_bytes)
    gpu.launch(launch)
    gpu.launch(launch)
    assert cupy.compiled == [(variant.program.source(), ("-std=c++17", "-fmad=false"), "nvrtc")]
    (first, second) = cupy.called
    assert first == second
    name, grid, block, arguments, shared, room = first
    assert (name, grid, block, shared, room) == ("blind_rotate", (5, 1), (384,), 214_400, 214_400)
    assert arguments[0] is buffer
    assert arguments[1].dtype == np.int32


def without_a_toolkit(cupy: FakeCupy, fault: Exception) -> CupyGpu:
    """CuPy compiles when it is asked for a kernel."""
    module = SimpleNamespace(get_function=partial(raising, fault))
    cupy.RawModule = lambda **_: module
    return CupyGpu(cupy, 0)


def test_what_cannot_be_compiled_is_an_error_of_the_installation() -> None:
    fault = RuntimeError("Failed to auto-detect CUDA root directory.")
    launch = Launch(INTEGER_PROGRAM, "pack", (1, 1), 128, ())
    with pytest.raises(ConfigurationError, match=r"compile integers: Failed to auto-detect.*; install cupy"):
        without_a_toolkit(FakeCupy(H200), fault).launch(launch)
    with pytest.raises(RuntimeFault, match="lost"):
        without_a_toolkit(FakeCupy(H200), RuntimeFault("the GPU is lost", 999)).launch(launch)


def test_a_kernel_without_shared_memory_asks_for_none() -> None:
    cupy = FakeCupy(H200)
    CupyGpu(cupy, 0).launch(Launch(INTEGER_PROGRAM, "pack", (1, 1), 128, ()))
    assert cupy.called == [("pack", (1, 1), (128,), (), 0, 0)]
    assert cupy_gpu.INSTALL.startswith("install")


def test_streams_of_threads_that_ended_are_used_again() -> None:
    """CuPy keeps memory for a stream: windows that come and go must not leave theirs behind."""
    cupy = FakeCupy(H200)
    made = list[object]()
    cupy.cuda.Stream = lambda *, non_blocking: [made.append(non_blocking), cupy._stream(non_blocking=True)][1]
    gpu, inside = CupyGpu(cupy, 0), threading.Barrier(3, timeout=60)

    def drive() -> None:
        gpu.empty(8)
        inside.wait()  # side by side, so that none ends before the others have begun
        gpu.wait()

    for _ in range(4):
        drivers = [threading.Thread(target=drive) for _ in range(3)]
        for each in drivers:
            each.start()
        for each in drivers:
            each.join()
    assert len(made) == 3
