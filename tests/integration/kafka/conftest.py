"""Fresh topics on the shared broker."""

import secrets
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from confluent_kafka.admin import AdminClient

from streams.adapters.kafka import topics
from streams.adapters.kafka.declaration import Defaults, Topics, TopicSpec
from streams.adapters.kafka.log import KafkaLog
from streams.devnet.stack import Stack
from streams.settings import KafkaSettings

TOPIC = "t.v1"


@pytest.fixture
def kafka(stack: Stack) -> KafkaSettings:
    return KafkaSettings(bootstrap=stack.kafka_bootstrap, prefix=f"test-{secrets.token_hex(4)}-")


@pytest.fixture
def admin(kafka: KafkaSettings) -> AdminClient:
    return topics.connect(kafka)


@pytest.fixture
def make_topic(kafka: KafkaSettings, admin: AdminClient) -> Callable[[int], str]:
    def make(count: int) -> str:
        spec = TopicSpec(description="", key="", partitions=count, cleanup="delete")
        one = Topics(version=1, defaults=Defaults(replication=1), topics={TOPIC: spec})
        topics.apply(admin, topics.plan(admin, kafka.prefix, one), kafka.prefix, one)
        return TOPIC

    return make


@pytest_asyncio.fixture
async def log(kafka: KafkaSettings) -> AsyncIterator[KafkaLog]:
    log = KafkaLog(kafka)
    yield log
    await log.close()
