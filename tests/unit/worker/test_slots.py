"""How many threads a worker has: those asked for, else as many as the bound and the cores allow."""

import pytest

from streams.services.sns_worker import kind_of
from streams.services.tfhe_worker import KIND as COMPUTES
from streams.services.worker.service import GPU_MEMORY_BYTES, Kind, memory_of, slots_of, threads_of
from streams.settings import EngineSettings, SnsSettings


@pytest.mark.parametrize(
    ("engine", "cores", "slots"),
    [
        (EngineSettings(), 8, 8),
        (EngineSettings(), 96, 32),
        (EngineSettings(coprocessor_fhe_threads=4), 8, 4),
        (EngineSettings(workers=48), 8, 48),
        (EngineSettings(workers=200), 8, 64),
    ],
)
def test_threads_of_a_worker(engine: EngineSettings, cores: int, slots: int) -> None:
    assert threads_of(engine, cores, 64) == slots


@pytest.mark.parametrize(
    ("kind", "engine", "slots"),
    [
        (COMPUTES, EngineSettings(), 2),
        (COMPUTES, EngineSettings(name="wave"), 16),
        (COMPUTES, EngineSettings(name="wave", window=5), 5),
        (COMPUTES, EngineSettings(name="clear", window=5), 2),
        (COMPUTES, EngineSettings(name="wave", device="cuda"), 256),
        (COMPUTES, EngineSettings(name="wave", gpu_enabled=True, window=40), 40),
        (Kind("zkproof", memory_bytes_max=1), EngineSettings(name="wave"), 2),
        (kind_of(SnsSettings(work_items_batch_size=7)), EngineSettings(name="wave"), 7),
    ],
)
def test_items_at_a_time(kind: Kind, engine: EngineSettings, slots: int) -> None:
    assert slots_of(kind, engine, threads=2) == slots


def test_a_child_with_gpus_may_take_what_cuda_takes() -> None:
    wave = EngineSettings(name="wave")
    on_gpu = EngineSettings(name="wave", device="cuda")
    assert memory_of(COMPUTES, wave) == COMPUTES.memory_bytes_max
    assert memory_of(COMPUTES, on_gpu) == COMPUTES.memory_bytes_max + GPU_MEMORY_BYTES
    assert memory_of(COMPUTES, EngineSettings(name="wave", device="cuda", memory_mib=100)) == 100 << 20
