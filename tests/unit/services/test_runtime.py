"""Real processes and real signals: the life of a service as its operator sees it."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from streams.services.address import Address, read

PROGRAM = """
import asyncio, sys, threading
from streams.domain.errors import Fatal
from streams.services import runtime
from streams.settings import Settings

async def graceful(rt):
    rt.health.set("kafka", True)
    await rt.stopping.wait()

async def stubborn(rt):
    while True:
        await asyncio.sleep(3600)

async def fatal(rt):
    async with asyncio.TaskGroup() as group:
        group.create_task(give_up())

async def give_up():
    raise Fatal("the log is truncated")

async def careless(rt):
    raise Fatal("the key is " + rt.settings.sender.private_key.get_secret_value())

async def broken(rt):
    raise ValueError("surprise")

async def ends(rt):
    assert not await rt.idle(0.001)

async def blocking(rt):
    together = threading.Barrier(3)

    def call():
        together.wait(60)
        return threading.get_ident()

    threads = set(await asyncio.gather(*(asyncio.to_thread(call) for _ in range(12))))
    raise Fatal(f"{len(threads)} threads")

sys.exit(runtime.serve("probe", globals()[sys.argv[1]], Settings()))
"""


class Probe:
    def __init__(self, state: Path, kind: str) -> None:
        self.state = state
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, kind],
            env={
                "CIPHERSTREAM_STATE": str(state),
                "CIPHERSTREAM_SENDER__PRIVATE_KEY": "0xfeedfeed",
                "CIPHERSTREAM_SERVICE__TOKIO_THREADS": "3",
            },
            stderr=subprocess.PIPE,
            text=True,
        )

    def until(self, action: str) -> dict[str, Any]:
        """The next line with this action; the pipe is what we wait on."""
        assert self.process.stderr is not None
        lines = (json.loads(text) for text in self.process.stderr)
        return next(line for line in lines if line["action"] == action)

    def address(self) -> Address:
        self.until("start")
        return read(self.state, "probe")

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    probes: list[Probe] = []

    def _start(kind: str) -> Probe:
        probes.append(Probe(tmp_path, kind))
        return probes[-1]

    yield _start
    for probe in probes:
        probe.end()


def test_a_signal_ends_it_gracefully(start: Any) -> None:
    probe = start("graceful")
    address = probe.address()
    assert address.pid == probe.process.pid
    health = httpx.get(f"http://127.0.0.1:{address.http_port}/healthz").json()
    assert health["dependencies"] == {"kafka": "ok"}
    probe.process.send_signal(signal.SIGTERM)
    probe.until("stopping")
    probe.until("stop")
    assert probe.process.wait(20) == 0


def test_a_second_signal_ends_it_at_once(start: Any) -> None:
    probe = start("stubborn")
    probe.address()
    probe.process.send_signal(signal.SIGINT)
    probe.until("stopping")
    probe.process.send_signal(signal.SIGINT)
    assert probe.process.wait(20) == 1


def test_a_fatal_error_is_one_line_without_traceback(start: Any) -> None:
    probe = start("fatal")
    assert probe.process.wait(20) == 1
    last = probe.until("fatal")
    assert (last["event"], last["level"]) == ("the log is truncated", "critical")
    assert "exception" not in last


def test_an_unexpected_error_keeps_its_traceback(start: Any) -> None:
    probe = start("broken")
    assert probe.process.wait(20) == 1
    last = probe.until("crash")
    assert "ValueError: surprise" in last["exception"]


def test_a_broken_library_leaves_the_stacks_of_all_threads(start: Any) -> None:
    probe = start("stubborn")
    probe.address()
    probe.process.send_signal(signal.SIGSEGV)
    _, told = probe.process.communicate(timeout=20)
    assert probe.process.returncode == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in told
    assert "runtime.py" in told


def test_a_secret_of_the_settings_is_in_no_line(start: Any) -> None:
    assert start("careless").until("fatal")["event"] == "the key is 0x**********"


def test_a_service_may_end_by_itself(start: Any) -> None:
    probe = start("ends")
    assert probe.process.wait(20) == 0


def test_calls_that_block_have_as_many_threads_as_are_set(start: Any) -> None:
    line = start("blocking").until("fatal")
    assert line["event"] == "3 threads"
