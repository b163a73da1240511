"""Fixtures that every test may use. Fixtures of one area live in the conftest.py of its folder."""

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import core_time
import pytest
import structlog
from hypothesis import HealthCheck, settings

from streams.devnet import stack as devnet
from streams.fhe.device_choice import DeviceName

T = TypeVar("T")
TESTS = Path(__file__).parent
# The machine may be busy: how long an example takes, or is made, says nothing about it.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# `--hypothesis-profile long`: what is cheap and random runs for as long as somebody has time.
settings.register_profile("long", settings.get_profile("unhurried"), max_examples=20_000)
settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--wave-device cuda` has tests of the engine wave and of its kernels use the GPUs of this machine."""
    parser.addoption("--wave-device", choices=("cpu", "cuda"), default="cpu")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says which tests one process of a parallel run takes whole."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item.path)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tells the processor time that tests took down of the budget for really encrypted work."""
    reports = terminalreporter.getreports("passed")
    for line in core_time.lines(found for report in reports for found in report.user_properties):
        terminalreporter.write_line(line)


def _group(path: Path) -> str:
    """Tests of one devnet are a group, or each process would start its own; the others go file by file."""
    kind, *folders = path.relative_to(TESTS).parts[:-1]
    if kind == "acceptance":
        return "acceptance"
    if kind == "integration" and folders[0] != "fhe":
        return "servers"
    return str(path.relative_to(TESTS))


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A test that runs a command configures the logs of the process; the next one must not write there."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def wave_device(pytestconfig: pytest.Config) -> DeviceName:
    """Where the engine wave computes."""
    return pytestconfig.getoption("--wave-device")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[devnet.Stack]:
    """Real Kafka, Postgres, object store and two empty chains, shared by all tests of the run.

    Tests keep apart by fresh topic names, schemas, buckets and accounts.
    """
    state_dir = tmp_path_factory.mktemp("devnet")
    try:
        yield _run(devnet.start(state_dir))
    finally:
        _run(devnet.remove(state_dir))


def _run(work: Coroutine[None, None, T]) -> T:
    """Runs on a loop in a thread of its own: the loops of the tests belong to pytest-asyncio."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()
