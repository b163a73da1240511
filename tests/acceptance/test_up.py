"""`up`: every service as a child of one process, on a devnet of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
import pytest_asyncio

from streams.commands import services
from streams.devnet import activation, up
from streams.devnet.chain_client import poll
from streams.devnet.processes import identify
from streams.devnet.state import State
from streams.fhe.keyset import KeyStore

pytestmark = pytest.mark.stack

SEED = b"\x21" * 32
HEALTHY_S = 120.0


class Address(msgspec.Struct):
    pid: int
    http_port: int


@pytest_asyncio.fixture
async def devnet(tmp_path: Path) -> AsyncIterator[State]:
    state = State(tmp_path / ".cipherstream")
    store = KeyStore(tmp_path / "keys")
    servers = await up.up(state, engine="clear")
    activation.generate(state, "clear", SEED, store)
    await activation.activate(state, servers, store)
    yield state
    await up.down(state, delete=True)


async def test_all_services_come_up_and_go_down_together(devnet: State, tmp_path: Path) -> None:
    process = start(devnet, tmp_path)
    names = [*services.available(), "tfhe-worker-2"]
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            for name in names:
                await poll(lambda name=name: health(http, tmp_path, name), timeout_s=HEALTHY_S, every_s=0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert not [name for name in names if identify(address(tmp_path, name).pid)]


def start(devnet: State, folder: Path) -> "subprocess.Popen[bytes]":
    arguments = ("up", "--state", str(folder), "--tfhe-workers", "2")
    return subprocess.Popen(
        [sys.executable, "-m", "streams.cli", *arguments],
        env={**os.environ, "CIPHERSTREAM_CONFIG": str(devnet.settings_file)},
    )


async def health(http: httpx.AsyncClient, state: Path, name: str) -> bool | None:
    """True when the service is healthy, None before."""
    try:
        answer = await http.get(f"http://127.0.0.1:{address(state, name).http_port}/healthz")
    except (FileNotFoundError, httpx.HTTPError):
        return None
    return True if answer.status_code == 200 else None


def address(state: Path, name: str) -> Address:
    return msgspec.json.decode((state / "services" / f"{name}.json").read_bytes(), type=Address)
