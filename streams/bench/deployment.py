"""A deployment of its own for a measurement: the servers that it needs, tables, topics, services."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from streams.adapters.kafka import topics
from streams.adapters.kafka.declaration import load
from streams.adapters.kafka.log import KafkaLog
from streams.adapters.postgres.migrate import migrate
from streams.adapters.postgres.store import PostgresStore
from streams.bench import processors
from streams.bench.report import Figure, processor_s, resident
from streams.devnet import kafka, postgres, stack
from streams.devnet.processes import ProcessId, session_members
from streams.devnet.stack import Stack
from streams.devnet.state import State, Table
from streams.devnet.supervisor import Supervisor
from streams.domain.errors import Fatal
from streams.settings import KafkaSettings, PostgresSettings

_POLL_S: Final = 0.01
_LOOK_S: Final = 1.0  # how often a service that is waited for is checked to be alive
_ONE_PARTITION: Final = frozenset({"events.v1", "results.v1", "control.v1", "keysets.v1"})
L = TypeVar("L", bound=KafkaLog)


class Deployment:
    """Servers that run, and the services that were started on them."""

    def __init__(self, servers: Stack, state: State) -> None:
        self.servers = servers
        self.state = state
        self.kafka = KafkaSettings(bootstrap=servers.kafka_bootstrap)
        self.postgres = PostgresSettings.model_validate({"url": servers.postgres_url})
        self._supervisor = Supervisor(state.root)
        self._services: list[str] = []

    def start(self, service: str, settings: Mapping[str, Table | Sequence[Table]]) -> None:
        """Start a service with these settings beside those of the servers."""
        own: Mapping[str, Table | Sequence[Table]] = {
            "kafka": {"bootstrap": self.servers.kafka_bootstrap},
            "postgres": {"url": self.servers.postgres_url},
            **settings,
        }
        self.state.write_settings(own)
        environment = {
            "CIPHERSTREAM_CONFIG": str(self.state.settings_file.resolve()),
            "CIPHERSTREAM_STATE": str(self.state.root.resolve()),
            "AWS_SECRET_ACCESS_KEY": "unused",
        }
        argv = (sys.executable, "-m", "streams.cli", "run", service)
        self._supervisor.spawn(service, argv, environment)
        self._services.append(service)

    def memory(self) -> tuple[Figure, ...]:
        """Resident memory of each service, children apart."""
        return tuple(
            figure
            for service in self._services
            for figure in memory_of(service, self._supervisor.process(service))
        )

    def keep_to(self, processor: int, *names: str) -> bool:
        """Keep services and servers to one processor, if that is allowed; whether it is."""
        running = filter(None, map(self._supervisor.process, names))
        kept = [processors.keep_to(processor, process) for process in running]
        return all(kept)

    def processor_s(self, service: str) -> float:
        """Processor time of a service so far, without children."""
        process = self._supervisor.process(service)
        return 0.0 if process is None else processor_s(process.pid)

    def require_alive(self) -> None:
        """Raises Fatal with the end of the log of a service that died."""
        for service in self._services:
            if not self._supervisor.alive(service):
                raise Fatal(f"{service} died\n{self._supervisor.log_tail(service)}")

    async def until(self, store: PostgresStore, query: str, *arguments: object) -> None:
        """Wait until a query answers with something; raises Fatal when a service dies."""
        loop = asyncio.get_running_loop()
        looked_s = loop.time()
        while await store.pool.fetchval(query, *arguments) is None:
            if loop.time() - looked_s >= _LOOK_S:
                looked_s = loop.time()
                self.require_alive()
            await asyncio.sleep(_POLL_S)


def memory_of(service: str, leader: ProcessId | None) -> tuple[Figure, ...]:
    """Resident memory of a service's process and of its children; nothing of one that does not run."""
    members = () if leader is None else session_members(leader)
    found: list[Figure] = []
    for member in members:
        name = service if leader is not None and member.pid == leader.pid else f"{service}'s child"
        found += resident(name, member.pid)
    return tuple(found)


@contextlib.asynccontextmanager
async def deployed(parts: Iterable[str] = (kafka.NAME, postgres.NAME)) -> AsyncGenerator[Deployment]:
    """Servers in a folder of their own, with tables and topics; all gone afterwards."""
    wanted = tuple(parts)
    with tempfile.TemporaryDirectory(prefix="cipherstream-bench-") as folder:
        root = Path(folder) / "devnet"
        try:
            servers = await stack.start(root, wanted)
            if postgres.NAME in wanted:
                await migrate(servers.postgres_url)
            if kafka.NAME in wanted:
                await asyncio.to_thread(_make_topics, KafkaSettings(bootstrap=servers.kafka_bootstrap))
            yield Deployment(servers, State(root))
        finally:
            await stack.remove(root)


@contextlib.asynccontextmanager
async def opened(deployment: Deployment, kind: type[L]) -> AsyncGenerator[tuple[PostgresStore, L]]:
    """Connections of the measurement itself, with a log of this kind."""
    store = await PostgresStore.open(deployment.postgres)
    log = kind(deployment.kafka)
    try:
        yield store, log
    finally:
        await log.close()
        await store.close()


def _make_topics(settings: KafkaSettings) -> None:
    """As declared, but one partition of facts and results, so that one owner has all there is."""
    declared = load()
    few = {
        name: msgspec.structs.replace(spec, partitions=1) if name in _ONE_PARTITION else spec
        for name, spec in declared.topics.items()
    }
    small = msgspec.structs.replace(declared, topics=few)
    admin = topics.connect(settings)
    topics.apply(admin, topics.plan(admin, settings.prefix, small), settings.prefix, small)
