"""Where logs and groups stand, asked of the real broker."""

from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, TopicPartition

from streams.adapters.kafka.log import KafkaLog
from streams.adapters.kafka.positions import KafkaPositions
from streams.domain.errors import BrokerError, ConfigurationError
from streams.settings import KafkaSettings

pytestmark = pytest.mark.stack

GROUP = "readers"


@pytest.fixture
def topic(make_topic: Callable[[int], str]) -> str:
    return make_topic(3)


async def test_a_topic_is_told_with_its_identity_and_bounds(
    kafka: KafkaSettings, log: KafkaLog, topic: str
) -> None:
    for _ in range(4):
        await log.append(topic, key=b"", value=b"", partition=1)
    found = await KafkaPositions(kafka).logs([topic])
    assert found[topic].bounds == ((0, 0), (0, 4), (0, 0))
    assert found[topic].topic_id == await log.topic_id(topic)


async def test_a_group_is_told_where_it_committed(kafka: KafkaSettings, log: KafkaLog, topic: str) -> None:
    positions = KafkaPositions(kafka)
    assert await positions.committed(GROUP, topic) == {}  # nobody has heard of it
    await log.append(topic, key=b"", value=b"", partition=2)
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": kafka.prefix + GROUP})
    consumer.commit(offsets=[TopicPartition(kafka.prefix + topic, 2, 1)], asynchronous=False)
    consumer.close()
    assert await positions.committed(GROUP, topic) == {2: 1}
    assert await positions.committed(GROUP, "another.v1") == {}


async def test_a_topic_that_is_missing_is_named_with_the_command_that_makes_it(kafka: KafkaSettings) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.v1 is missing.*topics apply"):
        await KafkaPositions(kafka).logs(["nothing.v1"])


async def test_a_broker_that_does_not_know_us_is_told(kafka: KafkaSettings) -> None:
    away = KafkaPositions(KafkaSettings(bootstrap="127.0.0.1:1", security={"socket.timeout.ms": "100"}))
    with pytest.raises(BrokerError, match="offsets of group"):
        await away.committed(GROUP, "t.v1")
