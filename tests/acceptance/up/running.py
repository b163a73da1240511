"""All services of `cipherstream up` on a devnet of their own, as operators, users and onlookers see them."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
from typer.testing import CliRunner

from streams.adapters.ethereum import abi
from streams.adapters.ethereum.chain import ANYTHING, EthereumChain
from streams.adapters.kafka.log import KafkaLog
from streams.adapters.postgres import pool
from streams.adapters.postgres.progress import Progress
from streams.cli import app
from streams.commands import services
from streams.devnet import activation, chain_client, contracts, up
from streams.devnet.activation import DevnetKeys
from streams.devnet.chain_client import Wallet
from streams.devnet.demo.traffic import Chains, Traffic
from streams.devnet.processes import identify
from streams.devnet.stack import Stack
from streams.devnet.state import State
from streams.domain.facts import host_tenant
from streams.fhe.keyset import KeyStore
from streams.settings import load_settings

SEED = b"\x21" * 32
WORKERS = 2  # of the class tfhe
LIMIT_S = 90.0
END_S = 120
BLOCK_S = 0.2  # beside those that the devnet's clock brings
LOOK_S = 0.1


class Address(msgspec.Struct):
    pid: int
    http_port: int


@dataclass
class Services:
    """The process `up` and what it stands on."""

    folder: Path
    state: State
    servers: Stack
    process: "subprocess.Popen[bytes]"

    @property
    def names(self) -> list[str]:
        return [*services.available(), *(f"tfhe-worker-{number}" for number in range(2, WORKERS + 1))]

    @property
    def store(self) -> KeyStore:
        return made_keys(self.folder)

    def address(self, name: str) -> Address:
        return msgspec.json.decode((self.folder / "services" / f"{name}.json").read_bytes(), type=Address)

    def alive(self) -> list[str]:
        return [name for name in self.names if identify(self.address(name).pid)]

    async def until_healthy(self) -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            for name in self.names:
                await until(lambda name=name: self._is_healthy(http, name), f"{name} is healthy")

    async def _is_healthy(self, http: httpx.AsyncClient, name: str) -> bool:
        try:
            port = self.address(name).http_port
            return (await http.get(f"http://127.0.0.1:{port}/healthz")).is_success
        except (FileNotFoundError, httpx.HTTPError):
            return False

    def end(self) -> int:
        """Tell `up` to end, and all services with it; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(END_S)
        finally:
            self.process.kill()
            self.process.wait()


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for what other processes do."""
    try:
        async with asyncio.timeout(LIMIT_S):
            while True:
                if await condition():
                    return
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise AssertionError(f"not in {LIMIT_S} s: {what}") from None


def made_keys(folder: Path) -> KeyStore:
    """Where keys are made; those of the services are downloaded."""
    return KeyStore(folder / "made-keys")


async def start(folder: Path) -> Services:
    state = State(folder / ".cipherstream")
    servers = await up.up(state, engine="clear")
    try:
        await make_key(state, servers, made_keys(folder), SEED)
        return Services(folder, state, servers, _spawn(folder, state))
    except BaseException:
        await up.down(state, delete=True)
        raise


def _spawn(folder: Path, state: State) -> "subprocess.Popen[bytes]":
    arguments = ("up", "--state", str(folder), "--tfhe-workers", str(WORKERS))
    own = {
        "CIPHERSTREAM_CONFIG": str(state.settings_file),
        "CIPHERSTREAM_KEYS__DIRECTORY": str(folder / "keys"),  # of no other devnet
    }
    return subprocess.Popen([sys.executable, "-m", "streams.cli", *arguments], env={**os.environ, **own})


async def make_key(state: State, servers: Stack, store: KeyStore, seed: bytes) -> DevnetKeys:
    """A key set of its own, active on the chain; the services learn it from there."""
    activation.generate(state, "clear", seed, store)
    return await activation.activate(state, servers, store)


@dataclass
class Running:
    """One test's connections to them."""

    services: Services
    host: EthereumChain
    gateway: EthereumChain
    log: KafkaLog
    connections: pool.Pool
    progress: Progress

    @property
    def keys(self) -> DevnetKeys:
        """Those that were activated last."""
        return activation.require(self.services.state)

    @property
    def tenant(self) -> str:
        deployment = self.services.state.deployment()
        return host_tenant(deployment.host_chain_id, deployment.acl)

    async def fetch(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        async with pool.acquired(self.connections) as connection:
            return [dict(row) for row in await connection.fetch(query, *arguments)]

    async def control(self, *words: str) -> None:
        """`cipherstream control`; returns when the graph has heard it."""
        heard = self._heard()
        result = await asyncio.to_thread(CliRunner().invoke, app, ["control", *words])
        assert result.exit_code == 0, result.output

        async def is_heard() -> bool:
            return self._heard() > heard

        await until(is_heard, f"the graph heard {words}")

    def _heard(self) -> int:
        return (self.services.folder / "logs" / "graph.log").read_bytes().count(b'"action": "standing_word"')

    @contextlib.asynccontextmanager
    async def paused(self) -> AsyncGenerator[None]:
        """Nothing of our tenant is dispatched."""
        await self.control("pause", self.tenant)
        try:
            yield
        finally:
            await self.control("resume", self.tenant)

    async def new_token(self, name: str) -> bytes:
        """Address of a token that nobody has used."""
        owner = Wallet(self.host, chain_client.dev_accounts().owner)
        protocol = tuple(contracts.HOST_ADDRESSES[of] for of in ("ACL", "FHEVMExecutor", "KMSVerifier"))
        types = ("string", "string", "(address,address,address)", "address")
        arguments = abi.encode_arguments(types, (name, name, protocol, owner.address))
        code = contracts.load_bytecode("ConfidentialToken") + arguments
        await owner.transact(contracts.CREATE2_FACTORY, contracts.SALT + code)
        return contracts.create2_address(code)

    async def sent(self, token: bytes, act: Callable[[Traffic], Awaitable[Any]]) -> list[bytes]:
        """What users do with a token; the handles that are allowed since."""
        at = msgspec.structs.replace(self.services.state.deployment(), token=token)
        traffic = Traffic(Chains(self.host, self.gateway, at), chain_client.dev_accounts())
        known = set(await traffic.allowed_handles())
        await act(traffic)
        return [handle for handle in await traffic.allowed_handles() if handle not in known]

    async def items(self, handles: Sequence[bytes]) -> list[dict[str, Any]]:
        """The item that computes each of these handles, where the graph knows it."""
        return await self.fetch(
            "select i.* from handles h join work_items i on i.tenant = h.tenant and i.id = h.compute_item "
            "where h.handle = any($1::bytea[])",
            handles,
        )

    async def until_items(self, handles: Sequence[bytes], *states: str) -> list[dict[str, Any]]:
        """The items of these handles, when each is in one of the states."""
        found: list[dict[str, Any]] = []

        async def is_so() -> bool:
            found[:] = await self.items(handles)
            return len(found) == len(handles) and {row["state"] for row in found} <= set(states)

        await until(is_so, f"the items of {len(handles)} handles are {' or '.join(states)}")
        return found


@contextlib.asynccontextmanager
async def connected(services: Services) -> AsyncGenerator[Running]:
    settings = load_settings(services.state.settings_file)
    log, connections = KafkaLog(settings.kafka), await pool.open_pool(settings.postgres, 2)
    urls = services.servers.host_http_url, services.servers.gateway_http_url
    try:
        async with up.chain_at(urls[0]) as host, up.chain_at(urls[1]) as gateway, _mining(host, gateway):
            yield Running(services, host, gateway, log, connections, Progress(connections))
    finally:
        await connections.close()
        await log.close()


@contextlib.asynccontextmanager
async def _mining(*chains: EthereumChain) -> AsyncGenerator[None]:
    """More blocks, so that nobody waits for one."""

    async def mine(chain: EthereumChain) -> None:
        while True:
            await chain.rpc.call("evm_mine", (), ANYTHING)
            await asyncio.sleep(BLOCK_S)

    tasks = [asyncio.create_task(mine(chain)) for chain in chains]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
