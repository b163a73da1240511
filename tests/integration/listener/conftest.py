"""Chains of our own (they are reorganised and rolled back) and topics under a fresh prefix."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.rpc import RpcClient
from streams.adapters.kafka import topics
from streams.adapters.kafka.declaration import load
from streams.adapters.kafka.log import KafkaLog
from streams.devnet import anvil
from streams.devnet import stack as devnet
from streams.settings import KafkaSettings

USED = ("events.v1", "keysets.v1")
PARTITIONS = 2


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> Iterator[devnet.Stack]:
    state_dir = tmp_path_factory.mktemp("chains")
    parts = (anvil.HOST.name, anvil.GATEWAY.name)
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield pool.submit(asyncio.run, devnet.start(state_dir, parts)).result()
        pool.submit(asyncio.run, devnet.remove(state_dir)).result()


@pytest.fixture
def new_kafka(stack: devnet.Stack) -> Callable[[], KafkaSettings]:
    """Makes topics under a prefix of their own."""

    def make() -> KafkaSettings:
        settings = KafkaSettings(bootstrap=stack.kafka_bootstrap, prefix=f"{uuid.uuid4().hex[:8]}.")
        declared = load()
        used = {name: msgspec.structs.replace(declared.topics[name], partitions=PARTITIONS) for name in USED}
        few = msgspec.structs.replace(declared, topics=used)
        admin = topics.connect(settings)
        topics.apply(admin, topics.plan(admin, settings.prefix, few), settings.prefix, few)
        return settings

    return make


@pytest.fixture
def kafka(new_kafka: Callable[[], KafkaSettings]) -> KafkaSettings:
    return new_kafka()


@pytest.fixture
async def log(kafka: KafkaSettings) -> AsyncIterator[KafkaLog]:
    opened = KafkaLog(kafka)
    yield opened
    await opened.close()


@pytest.fixture
async def node(chains: devnet.Stack) -> AsyncIterator[EthereumChain]:
    async with RpcClient(chains.host_http_url) as rpc:
        yield EthereumChain(rpc)


@pytest.fixture
async def gateway_node(chains: devnet.Stack) -> AsyncIterator[EthereumChain]:
    async with RpcClient(chains.gateway_http_url) as rpc:
        yield EthereumChain(rpc)
