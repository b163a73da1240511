"""What workers make of their settings: threads, items at a time, key sets that stay open, device."""

from pathlib import Path

import pytest
import structlog

from streams.domain.errors import ConfigurationError, DeviceMissing
from streams.domain.results import Ciphertext
from streams.domain.work import SquashWork
from streams.fhe.clear import STORED, ClearCompute, encode
from streams.fhe.device_choice import DEVICES, device_of
from streams.fhe.devices import concrete_runtime
from streams.fhe.key_objects import CLEAR_MAGIC
from streams.fhe.keyset import PURPOSES
from streams.fhe.suite import ClearValue
from streams.fhe.wave.reserve import Reserve
from streams.services import sns_worker, tfhe_worker, zkproof_worker
from streams.services.runtime import Runtime
from streams.services.worker import child, jobs, shelf
from streams.services.worker.service import check_engine, child_command, slots_of
from streams.settings import EngineSettings, Settings, SnsSettings, ZkproofSettings

ENDING = ("--fd", "3", "--parent", "1")


@pytest.mark.parametrize(("threads", "slots"), [(2, 2), (8, 8), (32, 8)])
def test_proofs_have_eight_threads_at_most(threads: int, slots: int) -> None:
    kind = zkproof_worker.kind_of(ZkproofSettings())
    assert slots_of(kind, EngineSettings(), threads) == slots
    chosen = child.arguments([*child_command(kind, EngineSettings(), threads)[3:], *ENDING])
    assert (chosen.threads, chosen.slots) == (threads, slots)


def test_the_number_of_proofs_at_a_time_is_the_one_that_is_set() -> None:
    kind = zkproof_worker.kind_of(ZkproofSettings(worker_thread_count=3))
    assert slots_of(kind, EngineSettings(), 32) == 3


def test_each_class_of_worker_keeps_as_many_key_sets_open_as_are_set() -> None:
    engine = EngineSettings(name="clear", key_cache_size=5)
    kinds = [
        tfhe_worker.KIND,
        sns_worker.kind_of(SnsSettings()),
        zkproof_worker.kind_of(ZkproofSettings(key_cache_size=7)),
    ]
    commands = [child_command(kind, engine, 2)[3:] for kind in kinds]
    assert [child.arguments([*command, *ENDING]).key_cache_size for command in commands] == [5, 5, 7]


def test_a_child_is_told_how_often_devices_are_asked() -> None:
    for engine, due in ((EngineSettings(name="wave"), 16), (EngineSettings(known_answer_every=3), 3)):
        command = child_command(tfhe_worker.KIND, engine, 1)[3:]
        assert child.arguments([*command, *ENDING]).known_answer_every == due


class Occupied:
    """The memory of a child in which every key set maps as much, and touches none of it."""

    suites = 0

    def resident(self) -> int:
        return 46 << 20

    def peak(self) -> int:
        return self.resident()

    def mapped(self) -> int:
        return self.suites * (348 << 20)

    def give_back(self) -> None:
        self.suites -= 1


@pytest.mark.parametrize(
    ("memory_mib", "due"),
    [
        (0, [tfhe_worker.KIND.memory_bytes_max // 2, 1_225_000_000 - (742 << 20)]),
        (700, [437 << 19, 437 << 19]),  # only one fits at a time
        (400, [50 << 20, 50 << 20]),
        (8000, [4000 << 20, 4000 << 20]),
    ],
)
def test_values_in_flight_have_half_of_a_childs_memory_or_what_its_keys_leave(
    memory_mib: int, due: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    memory, bounds = Occupied(), list[int]()
    monkeypatch.setattr(shelf, "ProcessMemory", lambda: memory)
    opened = list[Reserve]()

    def open_compute(*_: object, reserve: Reserve, **__: object) -> ClearCompute:
        opened.append(reserve)
        memory.suites += 1
        return ClearCompute()

    monkeypatch.setattr(jobs, "open_compute", open_compute)
    command = child_command(tfhe_worker.KIND, EngineSettings(name="wave", memory_mib=memory_mib), 1)[3:]
    made = child.chosen_jobs(child.arguments([*command, *ENDING]))
    for name in (b"one", b"two"):
        made.open_keys(name, tmp_path, at_once=True)
        bounds.append(opened[-1].bytes_max)
    assert opened[0] is opened[1]  # the key sets of a process share it
    assert bounds == due


def test_a_child_closes_the_key_set_that_is_one_too_many(tmp_path: Path) -> None:
    command = child_command(sns_worker.KIND, EngineSettings(name="clear", key_cache_size=2), 1)[3:]
    jobs = child.chosen_jobs(child.arguments([*command, *ENDING]))
    names = [bytes((at,)) * 32 for at in range(3)]
    for name in names:
        jobs.open_keys(name, key_folder(tmp_path / name.hex()), at_once=False)
    for name in (*names, names[1], names[0]):
        list(jobs.run(1, squash(name)))
    assert (jobs.counts.key_hits, jobs.counts.key_misses) == (1, 4)


def key_folder(folder: Path) -> Path:
    folder.mkdir()
    for purpose in PURPOSES:
        (folder / purpose).write_bytes(CLEAR_MAGIC)
    return folder


def squash(key_id: bytes) -> SquashWork:
    ct64 = encode(STORED, ClearValue(2, 1))
    given = Ciphertext(handle=bytes(32), fhe_type=2, ct64=ct64)
    return SquashWork(item="i", tenant="t", attempt=0, timeout_s=1, key_id=key_id, ciphertext=given)


def test_every_engine_has_the_processor_and_auto_is_what_it_has_first() -> None:
    assert {device_of(engine, "cpu") for engine in DEVICES} == {"cpu"}
    assert {engine: device_of(engine, "auto") for engine in DEVICES} == {
        engine: devices[0] for engine, devices in DEVICES.items()
    }


@pytest.mark.parametrize(
    ("engine", "complaint"),
    [
        (
            EngineSettings(device="cuda"),
            "engine.device: the engine tfhe-rs does not compute on cuda",
        ),
        (EngineSettings(name="clear", gpu_enabled=True), "engine.gpu_enabled: the engine clear does not"),
        (EngineSettings(name="wave", device="reference"), "wave does not compute on reference"),
    ],
)
async def test_a_worker_ends_at_its_start_without_the_device_that_is_asked_for(
    engine: EngineSettings, complaint: str
) -> None:
    for name, worker in (("tfhe-worker", tfhe_worker), ("sns-worker", sns_worker)):
        with pytest.raises(DeviceMissing, match=complaint):
            await worker.run(Runtime(name=name, settings=Settings(engine=engine)))


def test_a_worker_that_computes_words_of_its_own_says_so() -> None:
    with structlog.testing.capture_logs() as logs:
        check_engine(EngineSettings(name="wave", device="concrete"), tfhe_worker.KIND)
        check_engine(EngineSettings(name="wave"), tfhe_worker.KIND)
        check_engine(EngineSettings(name="wave", device="concrete"), sns_worker.KIND)
    told = [(each["action"], each["log_level"], each["device"]) for each in logs]
    assert told == [
        ("device", "info", "concrete"),
        ("own_words", "warning", "concrete"),
        ("device", "info", "cpu"),
        # An sns-worker has no part in it: it squashes on the processor then.
        ("device", "info", "cpu"),
    ]


async def test_a_worker_ends_at_its_start_without_the_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concrete_runtime, "DISTRIBUTION", "concrete-nothing")
    settings = Settings(engine=EngineSettings(name="wave", device="concrete"))
    with pytest.raises(DeviceMissing, match="pip install --no-deps concrete-python"):
        await tfhe_worker.run(Runtime(name="tfhe-worker", settings=settings))


def test_two_settings_that_contradict_each_other_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"gpu_enabled asks for cuda, .*device for cpu"):
        device_of("wave", "cpu", gpu_enabled=True)
