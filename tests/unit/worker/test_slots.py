"""How many threads a worker has: those asked for, else as many as the bound and the cores allow."""

import pytest

from streams.services.worker.service import threads_of
from streams.settings import EngineSettings


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
