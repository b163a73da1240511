"""The engine `wave` on GPUs: keys from files, the CPU's answer asked for first, a window run whole."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import cipherstream_kernel as kernel
import numpy as np
import pytest
import structlog

from streams.domain.errors import ConfigurationError, DeviceExhausted, DevicesLost, KeyMaterialError
from streams.fhe.devices.cpu import CpuDevice
from streams.fhe.devices.cuda import cupy_gpu
from streams.fhe.devices.cuda.device import CudaDevice
from streams.fhe.devices.cuda.fleet import Fleet
from streams.fhe.devices.cuda.storage import CudaStorage
from streams.fhe.devices.port import Bootstraps
from streams.fhe.devices.randomness import SeededSource
from streams.fhe.devices.raw import raw_keys
from streams.fhe.devices.words import Words, flat
from streams.fhe.parameters import COMPRESSION, PINNED
from streams.fhe.wave.exam import Exam, Subject, Unit, repeated
from streams.fhe.wave.on_device import known_device, opened_on
from streams.fhe.wave.on_gpus import known_batch, opened_on_gpus
from streams.fhe.wave.service import Service
from streams.services import sns_worker, tfhe_worker, zkproof_worker
from streams.services.worker.jobs import jobs_of
from streams.services.worker.service import child_command
from streams.settings import EngineSettings
from tests.unit.fhe.cuda import raw
from tests.unit.fhe.cuda.emulated import BROKEN, DeadGpu, EmulatedGpu, Faulty
from tests.unit.fhe.cuda.raw import BIG, differing, words
from tests.unit.fhe.devices.sets import keys_of
from tests.unit.fhe.wave.faults import PlainStorage
from tests.unit.fhe.wave.windows import U8, DeviceSide, component, handle, settled, step, values

SHORT = replace(PINNED, lwe_dimension=18)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files as `key_files` derives them, with fewer steps and less to pack."""
    made = tmp_path_factory.mktemp("wave")
    keys = raw_keys(SeededSource(b"keys"), replace(PINNED, lwe_dimension=5))
    (made / "switch").write_bytes(keys.switch)
    for name in ("rotate", "random", "unpack"):
        (made / name).write_bytes(keys.rotate)
    size, levels = COMPRESSION.polynomial_size, COMPRESSION.packing.level
    pack = kernel.PackingKey.prepare(flat(words(BIG * levels * size)), 0, size, levels)
    (made / "pack").write_bytes(pack.to_bytes())
    with (made / "public").open("wb") as public:
        public.truncate(8 * BIG * (BIG + 3))
    return made


def test_keys_are_attached_and_every_gpu_gives_the_cpus_answer(folder: Path) -> None:
    gpus = [EmulatedGpu(), EmulatedGpu((8, 0))]
    keys = opened_on_gpus(folder, Fleet.of(gpus))
    assert isinstance(keys.device, CudaDevice)
    assert (keys.drivers, keys.batches) == (6, 2)
    assert isinstance(keys.storage, CudaStorage)
    for gpu, names in zip(gpus, (["1-2", "2-1", "3-1"], ["1-0", "2-0"]), strict=True):
        turned = {launch.program.name for launch in gpu.launches if launch.kernel == "blind_rotate"}
        assert sorted(turned) == [f"rotation-{name}" for name in names]
    batch = known_batch(PINNED)
    assert differing(keys.device.bootstrap(batch), opened_on("cpu", folder).device.bootstrap(batch)) == 0


def test_a_gpu_with_other_bits_does_not_serve(folder: Path) -> None:
    keys = opened_on_gpus(folder, Fleet.of([EmulatedGpu(fault=BROKEN), EmulatedGpu()]))
    told = [(unit.name, unit.spare, unit.least_batches) for unit in keys.units]
    assert told == [("GPU 1, emulated", 1, (1, 2, 3))]
    assert (keys.drivers, keys.batches) == (3, 1)
    with pytest.raises(ConfigurationError, match="GPU 0, emulated, computes other bits than the CPU"):
        opened_on_gpus(folder, Fleet.of([EmulatedGpu(fault=BROKEN)]))


def test_a_gpu_that_is_wrong_in_large_batches_alone_does_not_serve(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap = CudaDevice.bootstrap

    def wrong_when_full(device: CudaDevice, batch: Bootstraps) -> list[Words]:
        rows = bootstrap(device, batch)
        return rows if len(rows) < 2 * 4 + 1 else [*rows[:-1], rows[-1] + np.uint64(1)]

    monkeypatch.setattr(CudaDevice, "bootstrap", wrong_when_full)
    with pytest.raises(ConfigurationError, match="computes other bits than the CPU"):
        opened_on_gpus(folder, Fleet.of([EmulatedGpu(multiprocessors=4)]))


@pytest.mark.parametrize("subject", [Subject.LOOK_UP, Subject.RANDOM])
def test_a_gpu_that_begins_to_lie_in_large_batches_is_found_by_what_it_did(subject: Subject) -> None:
    """It is asked with the kernel that it lies with, not only with the one for a lone question."""
    keys = raw.raw_keys(3)
    gpu = EmulatedGpu(multiprocessors=1)  # one ciphertext, two, three and more: a kernel for each
    device = keys.on(gpu)
    unit = Unit("gpu", device, PlainStorage(), spare=1, least_batches=device.least_batches)
    exam = Exam.set_by(Unit("cpu", keys.cpu, PlainStorage()))
    service = Service([unit], exam)
    gpu.fault = BROKEN  # of the last of the three
    calls: dict[Subject, Callable[[], object]] = {
        Subject.LOOK_UP: lambda: service.bootstrap(repeated(exam.look_up, 4)),
        Subject.RANDOM: lambda: service.rotate(repeated(exam.random, 4)),
    }
    calls[subject]()
    mark = service.mark()
    with pytest.raises(DevicesLost, match=f"a wrong answer: {subject} in large batches"):
        service.prove()
    assert not service.is_proven(mark)


def test_a_gpu_that_does_not_answer_does_not_serve(folder: Path) -> None:
    keys = opened_on_gpus(folder, Fleet.of([DeadGpu(), EmulatedGpu(), EmulatedGpu(fault=BROKEN)]))
    assert [unit.name for unit in keys.units] == ["GPU 1, emulated"]


def test_without_a_gpu_that_answers_the_failure_may_pass(folder: Path) -> None:
    """So it is no error of the configuration, with which the worker would end."""
    with (
        structlog.testing.capture_logs() as logs,
        pytest.raises(Faulty, match="an illegal address"),
    ):
        opened_on_gpus(folder, Fleet.of([DeadGpu(), EmulatedGpu(fault=BROKEN)]))
    assert [line["reason"].partition(" in ")[0] for line in logs if line["action"] == "device_refused"] == [
        "GPU 0, emulated: Faulty: an illegal address",
        "GPU 1, emulated, computes other bits than the CPU",
    ]


def test_memory_that_is_short_says_nothing_about_a_gpu(folder: Path) -> None:
    with pytest.raises(DeviceExhausted):
        opened_on_gpus(folder, Fleet.of([EmulatedGpu(memory_bytes=1), EmulatedGpu()]))
    full = EmulatedGpu()
    full.upload = Mock(side_effect=MemoryError)
    with pytest.raises(MemoryError):
        opened_on_gpus(folder, Fleet.of([full, EmulatedGpu()]))


def test_a_thread_of_the_processor_is_a_driver(folder: Path) -> None:
    keys = opened_on("cpu", folder, threads=3)
    assert (keys.drivers, keys.device.batch_size) == (3, 32)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyMaterialError, match="do not open"):
        opened_on_gpus(tmp_path, Fleet.of([EmulatedGpu()]))


def test_without_cupy_the_device_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    cupy_gpu.fleet.cache_clear()
    with pytest.raises(ConfigurationError, match="needs CuPy"):
        opened_on("cuda", folder)


def test_the_emulation_serves_where_cupy_would(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cupy_gpu, "fleet", lambda: Fleet.of([EmulatedGpu()]))
    assert isinstance(opened_on("cuda", folder).device, CudaDevice)


def test_the_known_answer_reads_several_results() -> None:
    batch = known_batch(PINNED)
    assert {len(boxes) for boxes in batch.boxes} == {1, 2}
    assert batch.ciphertexts.shape == (5, BIG + 1)
    assert np.array_equal(batch.ciphertexts, known_batch(PINNED).ciphertexts)


def test_a_window_gives_the_cpus_words() -> None:
    """Real keys: the sum decrypts as well."""
    client, server = keys_of(SHORT)
    fleet = Fleet.of([EmulatedGpu(multiprocessors=1), EmulatedGpu((8, 0))])
    sides = [
        DeviceSide(client, device)
        for device in (CpuDevice.prepare(server), CudaDevice.prepare(server, fleet))
    ]
    found = list[Words]()
    for side in sides:
        inputs = {handle("x"): side.value(U8, 200), handle("y"): side.value(U8, 77)}
        add = component("sum", step("Add", handle("x"), handle("y"), result=handle("z")), inputs=inputs)
        (value,) = values(settled(side, add)).values()
        assert side.number(value) == 277 % 256
        found.append(side.ciphertexts(value))
    assert np.array_equal(found[0], found[1])


@pytest.mark.parametrize(
    ("device", "enabled", "chosen"),
    [("auto", False, "cpu"), ("auto", True, "cuda"), ("cpu", False, "cpu"), ("cuda", False, "cuda")],
)
def test_gpus_serve_where_they_are_named_or_enabled(device: str, enabled: bool, chosen: str) -> None:
    engine = EngineSettings.model_validate({"name": "wave", "device": device, "gpu_enabled": enabled})
    for kind in (tfhe_worker.KIND, sns_worker.KIND):
        command = child_command(kind, engine, 1)
        assert command[command.index("--device") + 1] == chosen


def test_a_worker_of_proofs_is_told_no_device() -> None:
    assert "--device" not in child_command(zkproof_worker.KIND, EngineSettings(name="wave"), 1)


@pytest.mark.parametrize("name", ["reference", "abacus"])
def test_a_device_that_the_engine_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"cpu, cuda, concrete, not {name}"):
        known_device(name)
    for kind in ("tfhe", "sns"):
        with pytest.raises(ConfigurationError, match=name):
            jobs_of(kind, "wave", 1, device=name)


def test_choosing_a_device_imports_nothing_native() -> None:
    code = (
        "import sys, streams.fhe.engines; print(sorted({'cupy', 'cipherstream_kernel'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
