"""A deployment of its own per test: topics with few partitions, a schema, a settings file."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from live_graph import SHARDS, LiveGraph

from streams.adapters.kafka import topics
from streams.adapters.kafka.declaration import load
from streams.adapters.kafka.log import KafkaLog
from streams.adapters.postgres.migrate import migrate
from streams.adapters.postgres.store import PostgresStore
from streams.devnet.stack import Stack
from streams.settings import KafkaSettings, PostgresSettings

NewGraph = Callable[[], Awaitable[LiveGraph]]

_TOML = """
[kafka]
bootstrap = "{stack.kafka_bootstrap}"
prefix = "{name}."
session_timeout_s = 6
[postgres]
url = "{stack.postgres_url}"
schema = "{name}"
[object_store]
endpoint = "{stack.s3_endpoint}"
"""


@pytest.fixture
async def new_graph(stack: Stack, tmp_path: Path) -> AsyncGenerator[NewGraph]:
    """Makes deployments that share nothing but the servers, so that they may run side by side."""
    async with contextlib.AsyncExitStack() as opened:

        async def make() -> LiveGraph:
            return await opened.enter_async_context(_deployment(stack, tmp_path))

        yield make


@pytest.fixture
async def graph(new_graph: NewGraph) -> LiveGraph:
    return await new_graph()


@contextlib.asynccontextmanager
async def _deployment(stack: Stack, parent: Path) -> AsyncGenerator[LiveGraph]:
    name = f"g_{secrets.token_hex(4)}"
    config = parent / name / "cipherstream.toml"
    config.parent.mkdir()
    config.touch(mode=0o600)
    config.write_text(_TOML.format(stack=stack, name=name))
    await migrate(stack.postgres_url, name)
    kafka = KafkaSettings(bootstrap=stack.kafka_bootstrap, prefix=f"{name}.")
    await asyncio.to_thread(_make_topics, kafka)
    store = await PostgresStore.open(PostgresSettings(url=stack.postgres_url, schema=name))
    live = LiveGraph(config, store, KafkaLog(kafka))
    await live.broker.partitions("events.v1")
    working = asyncio.create_task(live.work_for_ever())
    try:
        yield live
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await live.close()
        await live.broker.close()
        await store.close()


def _make_topics(kafka: KafkaSettings) -> None:
    declared = load()
    few = {
        name: msgspec.structs.replace(spec, partitions=min(spec.partitions, SHARDS))
        for name, spec in declared.topics.items()
    }
    small = msgspec.structs.replace(declared, topics=few)
    admin = topics.connect(kafka)
    topics.apply(admin, topics.plan(admin, kafka.prefix, small), kafka.prefix, small)
