"""The engine `wave` squashing on GPUs: keys from files, known answers first and after each number."""

import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import structlog

from streams.bench.determinism_sample import Sample
from streams.bench.random_keys import RandomKeys
from streams.domain.errors import ConfigurationError, DeviceExhausted, DevicesLost, KeyMaterialError
from streams.domain.operations import FheType
from streams.fhe import engines
from streams.fhe.device_choice import DEVICES, DeviceName
from streams.fhe.devices.cuda import cupy_gpu
from streams.fhe.devices.cuda.fleet import Fleet
from streams.fhe.devices.cuda.gpu import Launch
from streams.fhe.devices.cuda.program import SQUASHING_PROGRAM, Variant
from streams.fhe.keyset import KeyFiles
from streams.fhe.wave import key_files, squash_files, squash_on_gpus, squash_unit
from streams.fhe.wave.squash import Squashes, WaveSquash
from streams.fhe.wave.squash_on_gpus import opened_on_gpus
from streams.fhe.wave.squash_service import SquashService
from streams.fhe.wave.squash_unit import SquashUnit, Unsquashed
from tests.unit.fhe.cuda.emulated import BROKEN, DeadGpu, EmulatedGpu, Fault, Faulty
from tests.unit.fhe.cuda.raw import BIG

PATIENCE_S = 60.0
STEPS = 2
SAMPLE = Sample.made(b"squashed", STEPS, FheType.UINT4)
NUMBER = SAMPLE.packed[:1]
CT64 = SAMPLE.works[0].inputs[0].ct64
FAULTS = {
    # bits differ, values hardly do
    "squashing": Fault(SQUASHING_PROGRAM, " - (column & 1)", ""),
    "packing": Fault(SQUASHING_PROGRAM, "PACKED_DIGIT_BITS)) + 1) >> 1)", "PACKED_DIGIT_BITS))) >> 1)"),
    "decompression": replace(BROKEN, program=Variant(1, 2).program),  # of few blocks on a large GPU
}


@dataclass(frozen=True)
class Folders:
    """Files as they are derived, with fewer steps and less to pack; the CPU with them."""

    compute: Path
    squash: Path

    @property
    def cpu(self) -> SquashUnit:
        return SquashUnit("cpu", key_files.opened(self.compute).storage, squash_files.attached(self.mapped))

    @property
    def mapped(self) -> squash_files.Mapped:
        return squash_files.mapped(self.squash, self.compute)

    def on(self, *gpus: EmulatedGpu) -> SquashService:
        return self.on_fleet(Fleet.of(gpus))

    def on_fleet(self, fleet: Fleet) -> SquashService:
        return opened_on_gpus(self.cpu, self.compute, self.mapped, fleet)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    made, keys = tmp_path_factory.mktemp("squash"), RandomKeys.made(b"keys", STEPS)
    found = Folders(made / "wave", made / "wave-squash")
    found.compute.mkdir()
    found.squash.mkdir()
    for name in ("switch", "rotate", "random", "unpack", "pack"):
        (found.compute / name).write_bytes(getattr(keys, name).to_bytes())
    with (found.compute / "public").open("wb") as public:
        public.truncate(8 * BIG * (BIG + 3))
    (found.squash / "squash").write_bytes(keys.squash)
    (found.squash / "pack").write_bytes(keys.pack_squashed)
    return found


@pytest.fixture(autouse=True)
def short_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulation has one thread, and leaves no step of a decompression out."""
    monkeypatch.setattr(squash_unit, "BLOCKS", 1)


@pytest.fixture
def decompressed_by_the_cpu(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where that is not what is looked at, for it takes longest."""
    monkeypatch.setattr(squash_on_gpus, "CudaStorage", lambda *_: folders.cpu.storage)
    monkeypatch.setattr(squash_unit, "BLOCKS", 3)


@pytest.fixture(scope="module")
def due(folders: Folders) -> dict[bool, tuple[np.ndarray, ...]]:
    return {packed: squashed(folders.cpu, packed) for packed in (True, False)}


def squashed(asked: Squashes, packed: bool = True) -> tuple[np.ndarray, ...]:
    """The number, alone."""
    (found,) = asked.squashed([Unsquashed(NUMBER, packed)])
    return found


def kernels(gpu: EmulatedGpu) -> list[str]:
    return [launch.kernel for launch in gpu.launches]


@pytest.mark.parametrize("packed", [True, False])
def test_words_are_those_of_the_cpu_on_every_gpu(
    packed: bool, folders: Folders, due: dict[bool, tuple[np.ndarray, ...]]
) -> None:
    gpus = [EmulatedGpu(), EmulatedGpu((8, 0))]
    service = folders.on(*gpus)
    for _ in gpus:
        found = squashed(service, packed)
        assert len(found) == len(due[packed])
        assert all(map(np.array_equal, found, due[packed]))
    # Before it serves, for the number and after it; what is not packed is not packed for it either.
    assert [kernels(gpu).count("squash_extract") for gpu in gpus] == [3, 3]
    # The number's two blocks in two waves, for this GPU has one multiprocessor.
    assert [kernels(gpu).count("blind_rotate") for gpu in gpus] == [4, 4]
    assert [kernels(gpu).count("wide_sum") for gpu in gpus] == [2 + packed] * 2
    assert service.reading == (2, 0)


# Of two blocks, of one, and of two; their words do not depend on each other.
COMPANY = [
    Unsquashed(SAMPLE.packed[:1]),
    Unsquashed((SAMPLE.packed[1][:-1],), packed=False),
    Unsquashed(SAMPLE.packed[2:3]),
]


def test_a_number_has_the_same_words_alone_and_in_company(folders: Folders) -> None:
    gpu = EmulatedGpu()
    service = folders.on(gpu)
    gpu.launches.clear()
    together = service.squashed(COMPANY)
    # One pass over the key for all of them, one for the question; each number is packed by itself.
    assert [launch.grid for launch in gpu.launches if launch.kernel == "squash_extract"] == [(3, 1), (1, 1)]
    assert kernels(gpu).count("wide_sum") == 2 + 1
    for found in (together, folders.cpu.squashed(COMPANY)):
        for number, words in zip(COMPANY, found, strict=True):
            (alone,) = folders.cpu.squashed([number])
            assert len(words) == len(alone)
            assert all(map(np.array_equal, words, alone))


def test_the_question_goes_through_the_kernel_that_decompresses_large_batches(folders: Folders) -> None:
    gpu = EmulatedGpu(multiprocessors=2)
    service = folders.on(gpu)
    gpu.launches.clear()
    service.squashed(COMPANY)
    rotations = [launch for launch in gpu.launches if launch.kernel == "blind_rotate"]
    assert [launch.grid for launch in rotations] == [(2, 1), (2, 1), (1, 1), (1, 1)]
    assert {launch.program for launch in rotations} == {Variant(1, 2).program}


@pytest.mark.parametrize("kind", ["squashing", "packing"])
@pytest.mark.usefixtures("decompressed_by_the_cpu")
def test_a_gpu_with_other_words_does_not_serve(kind: str, folders: Folders) -> None:
    lying, honest = EmulatedGpu(fault=FAULTS[kind]), EmulatedGpu()
    with structlog.testing.capture_logs() as logs:
        service = folders.on(lying, honest)
    (line,) = [each for each in logs if each["action"] == "device_refused"]
    assert line["reason"] == "GPU 0, emulated, computes other bits than the CPU"
    lying.launches.clear()
    for _ in range(2):
        squashed(service)
    assert lying.launches == []
    with pytest.raises(ConfigurationError, match="GPU 0, emulated, computes other bits than the CPU"):
        folders.on(EmulatedGpu(fault=FAULTS[kind]))


@pytest.mark.usefixtures("decompressed_by_the_cpu")
def test_a_gpu_that_does_not_answer_does_not_serve(
    folders: Folders, due: dict[bool, tuple[np.ndarray, ...]]
) -> None:
    with structlog.testing.capture_logs() as logs:
        service = folders.on(DeadGpu(), EmulatedGpu())
    (line,) = [each for each in logs if each["action"] == "device_refused"]
    assert line["reason"].startswith("GPU 0, emulated: Faulty: an illegal address in ")
    assert np.array_equal(squashed(service)[0], due[True][0])
    with pytest.raises(Faulty, match="an illegal address"):
        folders.on(DeadGpu())


@pytest.mark.parametrize("kind", ["squashing", "packing"])
@pytest.mark.usefixtures("decompressed_by_the_cpu")
def test_what_a_gpu_computes_after_it_began_to_lie_does_not_leave(
    kind: str, folders: Folders, due: dict[bool, tuple[np.ndarray, ...]]
) -> None:
    lying, honest = EmulatedGpu(), EmulatedGpu()
    both, alone = folders.on(lying, honest), folders.on(lying)
    lying.fault = FAULTS[kind]
    (found,) = squashed(both)
    assert np.array_equal(found, due[True][0])
    assert both.reading == (2, 1)
    with pytest.raises(DevicesLost, match="GPU 0, emulated: a wrong answer"):
        squashed(alone)


@pytest.mark.usefixtures("decompressed_by_the_cpu")
def test_where_keys_do_not_fit_nothing_is_uploaded_or_launched(folders: Folders) -> None:
    short = folders.mapped.squash.nbytes - 1
    gpu = EmulatedGpu(memory_bytes=short)
    with pytest.raises(DeviceExhausted):
        folders.on(gpu)
    assert gpu.peak <= short
    assert "squash_start" not in kernels(gpu)


def test_a_gpu_that_decompresses_wrongly_does_not_stay(
    folders: Folders, due: dict[bool, tuple[np.ndarray, ...]]
) -> None:
    lying, honest = EmulatedGpu(multiprocessors=4), EmulatedGpu()
    service = folders.on(lying, honest)
    lying.fault = FAULTS["decompression"]
    (found,) = squashed(service)
    assert np.array_equal(found, due[True][0])
    assert service.reading == (2, 1)


@pytest.mark.usefixtures("decompressed_by_the_cpu")
def test_a_lack_of_memory_costs_no_gpu(folders: Folders, due: dict[bool, tuple[np.ndarray, ...]]) -> None:
    gpu = EmulatedGpu()
    fleet = Fleet.of([gpu])
    service = folders.on_fleet(fleet)
    memory, other = fleet.seats[0].memory, gpu.memory().free
    gpu.held += other  # of another process
    memory.keep(other)
    with pytest.raises(DeviceExhausted):
        squashed(service)
    gpu.held -= other
    memory.keep(-other)
    (found,) = squashed(service)
    assert np.array_equal(found, due[True][0])
    assert service.reading == (1, 0)


@pytest.mark.usefixtures("decompressed_by_the_cpu")
def test_the_question_is_a_number_whose_last_block_is_alone(folders: Folders) -> None:
    exam = squash_unit.SquashExam.set_by(folders.cpu)
    assert exam.squashed.shape == (2, 4097, 2)
    assert len(exam.packed) == 1


@pytest.fixture
def derived(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> KeyFiles:
    """Where a worker would find the key set."""
    monkeypatch.setattr(key_files, "derived", lambda _: folders.compute)
    monkeypatch.setattr(squash_files, "derived", lambda _: folders.squash)
    return KeyFiles(folders.compute.with_name("keys"))


@pytest.mark.parametrize("device", DEVICES["wave"])
def test_every_device_gives_the_bytes_of_the_cpu_and_only_one_takes_gpus(
    device: DeviceName, derived: KeyFiles, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = EmulatedGpu()
    monkeypatch.setattr(cupy_gpu, "fleet", lambda: Fleet.of([gpu]))
    suite = engines.open_squash("wave", derived, 1, device)
    cpu = WaveSquash(key_files.opened(folders.compute).device, folders.cpu)
    gpu.launches.clear()
    found = suite.squash(CT64, FheType.UINT4, compressed=False)
    assert found == cpu.squash(CT64, FheType.UINT4, compressed=False)
    is_on_gpu = device == "cuda"
    assert ("squash_extract" in kernels(gpu), "blind_rotate" in kernels(gpu)) == (is_on_gpu, is_on_gpu)
    assert (suite.tally().known_answers, suite.tally().devices_lost) == (int(is_on_gpu), 0)
    gpu.fault = FAULTS["squashing"]
    if is_on_gpu:
        with pytest.raises(DevicesLost):
            suite.squash(CT64, FheType.UINT4, compressed=False)
        assert suite.tally().devices_lost == 1


class HeldGpu(EmulatedGpu):
    """Ends no rotation for as long as it is held."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Lock()  # the fibers of the emulation are one thread's
        self.arrived, self.is_free = threading.Semaphore(0), threading.Event()
        self.is_free.set()

    def launch(self, launch: Launch) -> None:
        if launch.kernel == "squash_extract":
            self.arrived.release()
            assert self.is_free.wait(PATIENCE_S)
        with self._turn:
            super().launch(launch)


@pytest.mark.usefixtures("decompressed_by_the_cpu")
def test_two_calls_are_away_and_what_comes_meanwhile_is_squashed_together(
    derived: KeyFiles, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = HeldGpu()
    monkeypatch.setattr(cupy_gpu, "fleet", lambda: Fleet.of([gpu]))
    suite = WaveSquash.open(derived, 1, "cuda")
    cpu = WaveSquash(key_files.opened(folders.compute).device, folders.cpu)
    gpu.arrived, gpu.launches = threading.Semaphore(0), []
    gpu.is_free.clear()
    given = [each.ct64 for each in SAMPLE.works[0].inputs]
    asked = [*given[:2], *given]
    with ThreadPoolExecutor(len(asked)) as threads:
        found = list[Future[bytes]]()
        for index, ct64 in enumerate(asked):
            found.append(threads.submit(suite.squash, ct64, FheType.UINT4, compressed=False))
            if index < 2:
                assert gpu.arrived.acquire(timeout=PATIENCE_S)
        until = time.monotonic() + PATIENCE_S
        while len(suite._gathering._line) < 3:
            assert time.monotonic() < until
            time.sleep(0.001)
        gpu.is_free.set()
        due = [cpu.squash(ct64, FheType.UINT4, compressed=False) for ct64 in asked]
        assert [each.result(PATIENCE_S) for each in found] == due
    batches = [launch.grid[0] for launch in gpu.launches if launch.kernel == "squash_extract"]
    # Questions are of two.
    assert sorted(each for each in batches if each != 2) == [1, 1, 3]


def test_without_cupy_the_device_is_refused(derived: KeyFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    cupy_gpu.fleet.cache_clear()
    with pytest.raises(ConfigurationError, match="needs CuPy"):
        engines.open_squash("wave", derived, 1, "cuda")


def test_a_missing_file_is_told(folders: Folders, tmp_path: Path) -> None:
    with pytest.raises(KeyMaterialError, match="do not open"):
        squash_files.mapped(tmp_path, folders.compute)
