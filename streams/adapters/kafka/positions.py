"""How far the broker's logs reach and what groups have committed, for many partitions at once."""

# The client library neither exports nor fully types its administration.
# pyright: reportPrivateImportUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicCollection
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.adapters.kafka.client import REQUEST_TIMEOUT_S, broker_error, configuration
from streams.adapters.kafka.metadata import offsets_of
from streams.domain.errors import ConfigurationError
from streams.settings import KafkaSettings

_REQUEST: Final = {"request_timeout": REQUEST_TIMEOUT_S}


class LogState(msgspec.Struct, frozen=True):
    """A topic as it is now: its identity and, by partition, its first offset and the one after its last."""

    topic_id: str
    bounds: tuple[tuple[int, int], ...]


class KafkaPositions:
    """Questions about a deployment's topics and groups, by their names without prefix."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._admin = AdminClient(configuration(kafka))
        self._prefix = kafka.prefix

    async def logs(self, topics: Sequence[str]) -> dict[str, LogState]:
        """State of these topics; raises BrokerError, ConfigurationError when one is missing."""
        described = self._admin.describe_topics(
            TopicCollection([self._prefix + topic for topic in topics]), **_REQUEST
        )
        found = {topic: await _described(topic, described[self._prefix + topic]) for topic in topics}
        places = [
            Place(self._prefix + topic, partition)
            for topic, description in found.items()
            for partition in range(len(description.partitions))
        ]
        first, last = await asyncio.gather(
            offsets_of(self._admin, places, OffsetSpec.earliest()),
            offsets_of(self._admin, places, OffsetSpec.latest()),
        )
        bounds: dict[str, list[tuple[int, int]]] = {topic: [] for topic in topics}
        for place, start, end in zip(places, first, last, strict=True):
            bounds[place.topic.removeprefix(self._prefix)].append((start, end))
        return {topic: LogState(str(found[topic].topic_id), tuple(bounds[topic])) for topic in topics}

    async def committed(self, group: str, topic: str) -> Mapping[int, int]:
        """The offset that a group committed last, by partition, where it did; raises BrokerError."""
        name = self._prefix + group
        request = ConsumerGroupTopicPartitions(name)  # all of its topics: the group may be unknown yet
        answer: dict[str, Any] = self._admin.list_consumer_group_offsets([request], **_REQUEST)
        try:
            found = await asyncio.wrap_future(answer[name])
        except KafkaException as error:
            raise broker_error(f"offsets of group {group}", error) from error
        return {
            place.partition: place.offset
            for place in found.topic_partitions
            if place.topic == self._prefix + topic and place.offset >= 0
        }


async def _described(topic: str, answer: Any) -> Any:
    try:
        return await asyncio.wrap_future(answer)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise ConfigurationError(
                f"topic {topic} is missing; run `cipherstream topics plan` and `topics apply`"
            ) from error
        raise broker_error(f"describe {topic}", error) from error
