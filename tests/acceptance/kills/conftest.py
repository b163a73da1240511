"""The bench and the round without kills, made once."""

from collections.abc import Iterator

import pytest
from baseline import Baseline, run, undisturbed
from harness import Bench, make_bench

from streams.devnet import stack as devnet


@pytest.fixture(scope="session")
def bench(stack: devnet.Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("kills")
    try:
        yield run(make_bench(stack, root, "clear"))
    finally:
        run(devnet.remove(root))


@pytest.fixture(scope="session")
def baseline(bench: Bench) -> Baseline:
    return run(undisturbed(bench))
