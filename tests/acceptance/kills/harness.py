"""One devnet for all rounds. Each starts from the same snapshot of both chains, and nothing else is left.

Services are processes of their own. The ones under test carry the name of a crash point; a process that
kills itself there is started again at once, as an operator's supervisor does, with the next point if it has
several. Passes of a point with a number count once there is work around it.
"""

import asyncio
import contextlib
import secrets
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from streams.adapters.ethereum.chain import ANYTHING, TEXT, EthereumChain, hex_text
from streams.adapters.ethereum.rpc import RpcClient
from streams.adapters.kafka import topics
from streams.adapters.kafka.declaration import Topics, load
from streams.devnet import activation, anvil, chain_client, contracts, object_store, up
from streams.devnet import stack as devnet
from streams.devnet.chain_client import Wallet, poll
from streams.devnet.contracts import Deployment
from streams.devnet.stack import Stack
from streams.devnet.state import State
from streams.devnet.supervisor import Supervisor
from streams.domain.errors import RpcError
from streams.fhe.keyset import Engine, EngineName, KeyStore
from streams.services.crashpoints import MARKER_VARIABLE, POINT_VARIABLE, SIGNAL_VARIABLE
from streams.settings import KafkaSettings, Settings, load_settings

SERVICES = (
    "host-listener",
    "gw-listener",
    "graph",
    "tfhe-worker",
    "zkproof-worker",
    "sns-worker",
    "transaction-sender",
)
SEED = b"\x07" * 32  # the published one, whose keys a machine makes once
PARTITIONS_MAX = 4  # of a topic: a round makes all of them anew
SESSION_S = 6.0
SLOTS = 4  # of each compute worker
STEP_TIMEOUT_S = 120.0
POLL_S = 0.25
FAUST = (sys.executable, "-m", "faust", "-A", "streams.app", "worker", "-l", "info")
LARGE_BYTES = 250_000  # data of a log: the fact of its block does not fit into one record
# Copies the call's data into a log of topic 1: calldatacopy(0, 0, size), log1(0, size, 1).
EMITTER = bytes.fromhex("365f5f376001365fa100")


class ServiceDied(AssertionError):
    """A service ended otherwise than by its crash point."""


@dataclass
class Round:
    """One deployment with topics, tables, objects and keys of its own."""

    bench: "Bench"
    name: str
    folder: Path
    settings: Settings
    crashes: Mapping[str, str] = field(default_factory=dict)  # process → crash points, one after the other
    frozen: frozenset[str] = frozenset()  # processes that stand still at their point instead of dying
    deaths: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._held = {point for point in points_of(self.crashes) if ":" in point}
        for point in self._held:
            self._marker(point).touch()

    @property
    def bucket_url(self) -> str:
        store = self.settings.object_store
        return f"{store.endpoint}/{store.bucket}"

    def missed(self) -> list[str]:
        """Crash points at which nothing was killed so far."""
        return [p for p in points_of(self.crashes) if p in self._held or not self._marker(p).exists()]

    def arm(self) -> None:
        """There is work everywhere: points with a number count from now on."""
        while self._held:
            self._marker(self._held.pop()).unlink()

    def _marker(self, point: str) -> Path:
        return self.folder / f"killed-at-{point}"

    @contextlib.asynccontextmanager
    async def running(self, members: Mapping[str, str] | None = None) -> AsyncIterator[None]:
        """All services, or the given processes with their service; raises ServiceDied out of the body."""
        chosen = everything() if members is None else members
        body = asyncio.current_task()
        assert body is not None
        keepers = [asyncio.create_task(self.keep(name, service)) for name, service in chosen.items()]
        for keeper in keepers:
            keeper.add_done_callback(lambda done: done.cancelled() or body.cancel())
        try:
            yield
        except asyncio.CancelledError:
            for keeper in keepers:
                if keeper.done():
                    body.uncancel()
                    keeper.result()
            raise
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            await self.bench.supervisor.stop([self.process(name) for name in chosen], grace_s=0.1)

    async def keep(self, name: str, service: str) -> None:
        """Start a process, and again after a kill; raises ServiceDied after any other end."""
        while True:
            self.spawn(name, service)
            code = await self.bench.supervisor.wait(self.process(name))
            if code != -signal.SIGKILL:
                tail = self.bench.supervisor.log_tail(self.process(name))
                raise ServiceDied(f"{name} ended with code {code}\n{tail}")
            self.deaths[name] = self.deaths.get(name, 0) + 1

    def spawn(self, name: str, service: str) -> None:
        environment = {
            "CIPHERSTREAM_CONFIG": str(State(self.folder).settings_file),
            "CIPHERSTREAM_STATE": str(self.folder),
            "CIPHERSTREAM_PROCESS": name,
        }
        due = [point for point in self.crashes.get(name, "").split() if point in self.missed()]
        if due:
            point = due[0]
            number = signal.SIGSTOP if name in self.frozen else signal.SIGKILL
            environment |= {
                POINT_VARIABLE: point,
                MARKER_VARIABLE: str(self._marker(point)),
                SIGNAL_VARIABLE: number.name,
            }
        argv = FAUST if service == "faust" else (sys.executable, "-m", "streams.cli", "run", service)
        self.bench.supervisor.spawn(self.process(name), argv, environment, cwd=self.folder)

    def wake(self, name: str) -> None:
        """A frozen process goes on where it stands."""
        assert self.bench.supervisor.kill(self.process(name), signal.SIGCONT)

    def log_of(self, name: str) -> str:
        """Everything that a process has said."""
        return self.bench.supervisor.log_path(self.process(name)).read_text(errors="replace")

    def process(self, name: str) -> str:
        return f"{self.name}-{name}"


class Bench:
    """Servers, contracts, activated keys, and the snapshot that every round starts from."""

    def __init__(self, servers: Stack, state: State, deployment: Deployment, engine: Engine) -> None:
        self.servers = servers
        self.state = state
        self.deployment = deployment
        self.engine: Engine = engine
        self.supervisor = Supervisor(state.root)
        self._snapshots: tuple[str, str] | None = None

    @contextlib.asynccontextmanager
    async def chains(self) -> AsyncGenerator[tuple[EthereumChain, EthereumChain]]:
        """The host chain and the gateway."""
        async with (
            RpcClient(self.servers.host_http_url) as host,
            RpcClient(self.servers.gateway_http_url) as gateway,
        ):
            yield EthereumChain(host), EthereumChain(gateway)

    async def rewind(self) -> None:
        """Both chains as they were when the bench was made."""
        async with self.chains() as chains:
            for chain, snapshot in zip(chains, self._snapshots or (), strict=False):
                assert await chain.rpc.call("evm_revert", (snapshot,), ANYTHING) is True
            taken = [await chain.rpc.call("evm_snapshot", (), TEXT) for chain in chains]
            self._snapshots = (taken[0], taken[1])

    @contextlib.asynccontextmanager
    async def round(
        self,
        crashes: Mapping[str, str] | None = None,
        frozen: frozenset[str] = frozenset(),
        engine: EngineName | None = None,
    ) -> AsyncGenerator[Round]:
        """A fresh deployment on rewound chains; its topics are deleted at the end.

        `engine` is what computes, where it is not the one that the keys are named after.
        """
        await self.rewind()
        name = f"r{secrets.token_hex(4)}"
        folder = self.state.root / "rounds" / name
        folder.mkdir(parents=True)
        settings = self._settings(name, folder, engine or self.engine)
        await asyncio.gather(
            asyncio.to_thread(make_topics, settings.kafka),
            up.make_tables(self.servers.postgres_url, settings.postgres.schema_name),
            asyncio.to_thread(
                object_store.publish, self.servers.s3_endpoint, self.servers.s3_credentials, name
            ),
        )
        try:
            yield Round(self, name, folder, settings, crashes or {}, frozen)
        finally:
            await asyncio.to_thread(drop_topics, settings.kafka)

    def _settings(self, name: str, folder: Path, engine: EngineName) -> Settings:
        servers, operator = self.servers, chain_client.dev_signer(chain_client.OPERATOR_BASE)
        tables: dict[str, object] = dict(up.settings_of(self.state, servers, self.deployment, engine))
        changed: dict[str, dict[str, object]] = {
            "kafka": {"prefix": f"{name}.", "session_timeout_s": SESSION_S},
            "postgres": {"schema": name},
            "object_store": {"bucket": name},
            "gateway": {"confirmations": 0},
            "sender": {"address": f"0x{operator.address.hex()}"},
            "engine": {"workers": SLOTS},
        }
        for section, values in changed.items():
            tables[section] = {**tables[section], **values}  # type: ignore[dict-item]
        tables["host_chain"] = [{**tables["host_chain"][0], "finality_lag": 0}]  # type: ignore[index]
        if self.engine == "clear":  # the real ones are derived once per machine
            tables["keys"] = {"directory": str(folder / "keys")}
        State(folder).write_settings(tables)  # type: ignore[arg-type]
        return load_settings(State(folder).settings_file)


async def make_bench(stack: Stack, root: Path, engine: Engine) -> Bench:
    """Chains of our own, because they are rewound; broker, database and store are the test run's."""
    state = State(root)
    chains = await devnet.start(root, (anvil.HOST.name, anvil.GATEWAY.name))
    servers = msgspec.structs.replace(
        stack,
        state_dir=root,
        host_http_url=chains.host_http_url,
        host_ws_url=chains.host_ws_url,
        gateway_http_url=chains.gateway_http_url,
        gateway_ws_url=chains.gateway_ws_url,
        s3_bucket=f"bench-{secrets.token_hex(4)}",  # all chains number their keys alike
    )
    await asyncio.to_thread(
        object_store.publish, servers.s3_endpoint, servers.s3_credentials, servers.s3_bucket
    )
    async with up.chain_at(servers.host_http_url) as host, up.chain_at(servers.gateway_http_url) as gateway:
        owner = chain_client.dev_accounts().owner
        deployment = await contracts.deploy(host, gateway, owner=owner, network=up.network(servers))
        state.write_deployment(deployment)
        await _large_log(Wallet(host, owner), deployment.acl)
    operator = chain_client.OPERATOR_BASE
    state.write_secret(state.sender_key_file, chain_client.dev_secret(operator).hex().encode())
    state.write_secret(state.signer_key_file, chain_client.dev_secret(operator + 1).hex().encode())
    state.write_secret(state.object_store_key_file, servers.s3_credentials.secret_key.encode())
    store = KeyStore(root / "made-keys" if engine == "clear" else None)
    await asyncio.to_thread(activation.generate, state, engine, SEED, store)
    await activation.activate(state, servers, store)
    return Bench(servers, state, deployment, engine)


async def _large_log(owner: Wallet, contract: bytes) -> None:
    """A log of that contract which does not fit into one record; nobody knows its topic."""
    chain, code = owner.chain, await owner.chain.code(contract)
    await chain.rpc.call("anvil_setCode", (hex_text(contract), hex_text(EMITTER)), ANYTHING)
    await owner.transact(contract, bytes(LARGE_BYTES))
    await chain.rpc.call("anvil_setCode", (hex_text(contract), hex_text(code)), ANYTHING)


def make_topics(kafka: KafkaSettings) -> None:
    admin, declared = topics.connect(kafka), _few()
    topics.apply(admin, topics.plan(admin, kafka.prefix, declared), kafka.prefix, declared)


def drop_topics(kafka: KafkaSettings) -> None:
    admin = topics.connect(kafka)
    for deletion in admin.delete_topics([kafka.prefix + name for name in _few().topics]).values():
        deletion.result()


def _few() -> Topics:
    declared = load()
    specs = {
        name: msgspec.structs.replace(spec, partitions=min(spec.partitions, PARTITIONS_MAX))
        for name, spec in declared.topics.items()
    }
    return msgspec.structs.replace(declared, topics=specs)


def points_of(crashes: Mapping[str, str]) -> list[str]:
    """All crash points of a round."""
    return [point for points in crashes.values() for point in points.split()]


def everything(**more: str) -> dict[str, str]:
    """One process of each service, and others beside them."""
    return {name: name for name in SERVICES} | {name.replace("_", "-"): what for name, what in more.items()}


def without(*names: str) -> dict[str, str]:
    """One process of each other service."""
    return {name: name for name in SERVICES if name not in names}


async def until(check: Callable[[], Awaitable[bool]], what: str, timeout_s: float = STEP_TIMEOUT_S) -> None:
    """Wait for something that must come to pass."""

    async def ask() -> bool | None:
        return await check() or None

    try:
        await poll(ask, timeout_s=timeout_s, every_s=POLL_S)
    except RpcError as error:
        if not isinstance(error.__cause__, TimeoutError):
            raise
        raise AssertionError(f"this did not happen: {what}") from None
