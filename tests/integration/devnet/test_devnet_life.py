"""A devnet from its start over a crash to its end."""

import asyncio
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio
from devnet_clients import consume, create_topic, processes_of, produce, rpc, s3_client

from streams.devnet import anvil, kafka, object_store, ports, postgres
from streams.devnet import stack as devnet
from streams.devnet.supervisor import ChildDied, Supervisor

pytestmark = pytest.mark.stack

DEV_ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
LAUNCHER = """
import asyncio, sys
from pathlib import Path
from streams.devnet import stack
from streams.devnet.supervisor import Supervisor
async def main():
    state = Path(sys.argv[1])
    await stack.start(state)
    Supervisor(state).spawn("tfhe-worker", ("sh", "-c", "sleep 600 & sleep 600; wait"))
    print("up", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest_asyncio.fixture
async def state_dir(tmp_path: Path) -> AsyncGenerator[Path]:
    folder = tmp_path / "devnet"
    yield folder
    await devnet.remove(folder)


async def write_everywhere(stack: devnet.Stack, word: str) -> None:
    create_topic(stack, word)
    produce(stack, word, word.encode())
    s3_client(stack).put_object(Bucket=stack.s3_bucket, Key=word, Body=word.encode())
    for url in (stack.host_http_url, stack.gateway_http_url):
        rpc(
            url,
            "eth_sendTransaction",
            {"from": DEV_ACCOUNT, "to": DEV_ACCOUNT, "data": f"0x{word.encode().hex()}"},
        )
    connection = await asyncpg.connect(stack.postgres_url)
    await connection.execute(f"create table {word} as select '{word}' as word")
    await connection.close()


async def assert_everywhere(stack: devnet.Stack, word: str) -> None:
    assert consume(stack, word, 1) == [word.encode()]
    assert s3_client(stack).get_object(Bucket=stack.s3_bucket, Key=word)["Body"].read() == word.encode()
    for url in (stack.host_http_url, stack.gateway_http_url):
        block = rpc(url, "eth_getBlockByNumber", "0x1", True)
        assert block["transactions"][0]["input"] == f"0x{word.encode().hex()}"
    connection = await asyncpg.connect(stack.postgres_url)
    assert await connection.fetchval(f"select word from {word}") == word
    await connection.close()


async def test_data_ports_and_credentials_survive_a_restart(state_dir: Path, fresh: str) -> None:
    first = await devnet.start(state_dir)
    await write_everywhere(first, fresh)
    await devnet.stop(state_dir)
    assert processes_of(state_dir) == []
    second = await devnet.start(state_dir)
    assert second == first
    await assert_everywhere(second, fresh)


async def test_data_survive_the_kill_of_every_server(state_dir: Path, fresh: str) -> None:
    stack = await devnet.start(state_dir, (kafka.NAME, postgres.NAME, object_store.NAME))
    create_topic(stack, fresh)
    produce(stack, fresh, b"kept")
    connection = await asyncpg.connect(stack.postgres_url)
    await connection.execute("create table kept as select 1 as one")
    supervisor = Supervisor(state_dir)
    for name in supervisor.names():
        supervisor.kill(name)
        await supervisor.wait(name, 30)
    stack = await devnet.start(state_dir, (kafka.NAME, postgres.NAME, object_store.NAME))
    connection.terminate()
    assert consume(stack, fresh, 1) == [b"kept"]
    connection = await asyncpg.connect(stack.postgres_url)
    assert await connection.fetchval("select one from kept") == 1
    await connection.close()


async def test_a_killed_chain_starts_again_from_its_dump(state_dir: Path) -> None:
    chains = tuple(chain.name for chain in anvil.CHAINS)
    await devnet.start(state_dir, chains)
    await devnet.stop(state_dir)
    stack = await devnet.start(state_dir, chains, block_time_s=1)
    supervisor = Supervisor(state_dir)
    for name in chains:
        supervisor.kill(name)
        await supervisor.wait(name, 30)
    (state_dir / "chains" / "host.json").write_text('{"block": {"number"')
    assert await devnet.start(state_dir, chains) == stack
    assert int(rpc(stack.host_http_url, "eth_chainId"), 16) == 12345


async def test_only_the_dead_part_is_started_again(state_dir: Path) -> None:
    parts = (object_store.NAME, anvil.HOST.name)
    await devnet.start(state_dir, parts)
    supervisor = Supervisor(state_dir)
    before = supervisor.process(anvil.HOST.name)
    supervisor.kill(object_store.NAME)
    await supervisor.wait(object_store.NAME, 30)
    await devnet.start(state_dir, parts)
    assert supervisor.alive(object_store.NAME)
    assert supervisor.process(anvil.HOST.name) == before


async def launch(state_dir: Path) -> Process:
    env = {**os.environ, "NO_COLOR": "1", "LAUNCHED_FOR": str(state_dir)}
    argv = (sys.executable, "-c", LAUNCHER, str(state_dir))
    return await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE, env=env)


async def says(launcher: Process, words: bytes) -> None:
    assert launcher.stdout is not None
    while words not in (line := await launcher.stdout.readline()):
        assert line, "the launcher ended"


async def test_down_after_the_launcher_was_killed_leaves_no_process(state_dir: Path) -> None:
    launcher = await launch(state_dir)
    await says(launcher, b"up\n")
    commands = processes_of(state_dir)
    servers = ("/java", "/postgres", "/versitygw", "/anvil", "sleep 600")
    assert [word for word in servers if not any(word in command for command in commands)] == []
    launcher.kill()
    await launcher.wait()
    await devnet.stop(state_dir)
    assert processes_of(state_dir) == []
    assert not any(part.is_running for part in devnet.status(state_dir))


@pytest.mark.parametrize("logged", [b"process=postgres-initdb", b"process=object_store", b"process=postgres"])
async def test_down_after_a_launcher_was_killed_in_its_start_leaves_no_process(
    state_dir: Path, logged: bytes
) -> None:
    launcher = await launch(state_dir)
    await says(launcher, logged)
    launcher.kill()
    await launcher.wait()
    await devnet.stop(state_dir)
    assert processes_of(state_dir) == []
    stack = await devnet.start(state_dir, (postgres.NAME,))
    connection = await asyncpg.connect(stack.postgres_url)
    await connection.close()


async def test_a_query_that_outlives_its_killed_server_is_ended(state_dir: Path) -> None:
    stack = await devnet.start(state_dir, (postgres.NAME,))
    connection = await asyncpg.connect(stack.postgres_url)
    query = asyncio.create_task(connection.execute("do $$ begin loop end loop; end $$"))
    watcher = await asyncpg.connect(stack.postgres_url)
    while not await watcher.fetchval("select count(*) from pg_stat_activity where query like 'do %loop%'"):
        assert not query.done()
    Supervisor(state_dir).kill(postgres.NAME, signal.SIGKILL)
    watcher.terminate()
    await devnet.stop(state_dir)
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await query
    assert processes_of(state_dir) == []


async def test_the_database_runs_from_a_checkout_that_nobody_else_may_enter(
    state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = postgres.install()
    closed = await asyncio.to_thread(copy_below_a_closed_folder, packaged, tmp_path / "closed")
    monkeypatch.setattr(postgres, "install", lambda: closed)
    for _ in range(2):
        stack = await devnet.start(state_dir, (postgres.NAME,))
        connection = await asyncpg.connect(stack.postgres_url)
        await connection.close()
        await devnet.stop(state_dir)
    home = postgres.existing_home(state_dir)
    assert has_copy_of_server(home) == (os.geteuid() == 0)
    await devnet.remove(state_dir)
    assert processes_of(home) == []
    assert not postgres.existing_home(state_dir).is_dir()


def has_copy_of_server(home: Path) -> bool:
    return any(home.glob("server-*/*/*/bin/postgres"))


def copy_below_a_closed_folder(packaged: Path, closed: Path) -> Path:
    site = packaged.parent.parent
    closed.mkdir(mode=0o700)
    for folder in (packaged, site / f"{packaged.parent.name}.libs"):
        shutil.copytree(folder, closed / folder.relative_to(site), symlinks=True)
    return closed / packaged.relative_to(site)


async def test_two_devnets_run_side_by_side(state_dir: Path, tmp_path: Path, fresh: str) -> None:
    other_dir = tmp_path / "other"
    try:
        one, two = await asyncio.gather(devnet.start(state_dir), devnet.start(other_dir))
        await write_everywhere(one, fresh)
        await write_everywhere(two, fresh)
        await devnet.stop(state_dir)
        await assert_everywhere(two, fresh)
        assert processes_of(state_dir) == []
    finally:
        await devnet.remove(other_dir)
    assert devnet.status(other_dir) == ()


async def test_a_part_that_cannot_start_takes_the_others_down(state_dir: Path) -> None:
    await devnet.start(state_dir, (postgres.NAME,))
    await devnet.stop(state_dir)
    version = postgres.existing_home(state_dir) / "data" / "PG_VERSION"
    version.write_text("9.6\n")
    with pytest.raises(ChildDied, match=r"(?s)postgres ended.*incompatible"):
        await devnet.start(state_dir, (postgres.NAME, anvil.HOST.name, object_store.NAME))
    assert processes_of(state_dir) == []


def record_ports(state_dir: Path, recorded: dict[str, int]) -> None:
    devnet.mark(state_dir)
    (state_dir / "ports.json").write_text(json.dumps(recorded))


async def test_a_taken_port_is_replaced(state_dir: Path) -> None:
    # Held from before it is recorded: a port that a devnet has let go of may be anybody's the next moment.
    with socket.create_server((ports.LOOPBACK, 0)) as other:
        taken = other.getsockname()[1]
        record_ports(state_dir, {anvil.HOST.name: taken})
        stack = await devnet.start(state_dir, (anvil.HOST.name,))
    assert urlsplit(stack.host_http_url).port != taken
    assert int(rpc(stack.host_http_url, "eth_chainId"), 16) == 12345


def holders_modes(folder: Path, secrets: tuple[bytes, ...]) -> set[int]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size < 1_000_000]
    holders = [path for path in files if any(secret in path.read_bytes() for secret in secrets)]
    return {stat.S_IMODE(path.stat().st_mode) for path in holders}


async def test_files_with_secrets_are_private(state_dir: Path) -> None:
    stack = await devnet.start(state_dir, (postgres.NAME, object_store.NAME))
    await devnet.stop(state_dir)
    password = urlsplit(stack.postgres_url).password
    assert password is not None
    secrets = (password.encode(), stack.s3_credentials.secret_key.encode())
    assert holders_modes(state_dir, secrets) == {0o600}


async def test_stopping_what_never_ran_is_no_error(state_dir: Path) -> None:
    await devnet.stop(state_dir)
    await devnet.remove(state_dir)
    assert state_dir not in state_dir.parent.iterdir()
