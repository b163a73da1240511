import pytest
from worker_bench import Bench, NoChild, NoStore

from streams.services.worker.keys import Keys


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def keys(bench: Bench) -> Keys:
    return Keys(bench.log, NoStore(), NoChild(), bench.clock, engine="clear", needs_crs=True)
