"""Questions to the broker about its topics, by their full names."""

# The client library neither exports nor fully types its administration.
# pyright: reportPrivateImportUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import asyncio
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from streams.adapters.kafka.client import REQUEST_TIMEOUT_S, broker_error, configuration
from streams.settings import KafkaSettings

_REQUEST: Final = {"request_timeout": REQUEST_TIMEOUT_S}
# A partition that was just made, or whose leader moves, has none for a moment.
_MOVING: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
    }
)


class KafkaMetadata:
    """What the broker knows of a topic; partition counts are kept, they never change while we run."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._admin = AdminClient(configuration(kafka))
        self._counts: dict[str, int] = {}

    def known_count(self, topic: str) -> int | None:
        """How many partitions the topic has, when that was asked before."""
        return self._counts.get(topic)

    def count(self, topic: str) -> int:
        """How many partitions the topic has; blocks. Raises BrokerError."""
        try:
            found = self._admin.list_topics(topic, timeout=REQUEST_TIMEOUT_S).topics[topic]
        except KafkaException as error:
            raise broker_error(f"partitions of {topic}", error) from error
        if found.error is not None:
            raise broker_error(f"partitions of {topic}", found.error)
        self._counts[topic] = len(found.partitions)
        return self._counts[topic]

    async def topic_id(self, topic: str) -> str:
        """Identity of the topic; raises BrokerError."""
        try:
            answer = self._admin.describe_topics(TopicCollection([topic]), **_REQUEST)
            return str((await asyncio.wrap_future(answer[topic])).topic_id)
        except KafkaException as error:
            raise broker_error(f"describe {topic}", error) from error

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset that is still there, and the one after the last; raises BrokerError."""
        at = TopicPartition(topic, partition)
        first, last = await asyncio.gather(
            self._offset(at, OffsetSpec.earliest()), self._offset(at, OffsetSpec.latest())
        )
        return first, last

    async def _offset(self, at: TopicPartition, spec: Any) -> int:
        try:
            return await _retrying()(self._ask_offset, at, spec)
        except KafkaException as error:
            raise broker_error(f"bounds of {at.topic}/{at.partition}", error) from error

    async def _ask_offset(self, at: TopicPartition, spec: Any) -> int:
        answer = self._admin.list_offsets({at: spec}, **_REQUEST)[at]
        return int((await asyncio.wrap_future(answer)).offset)


def _retrying() -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception(_is_moving),
        wait=wait_exponential_jitter(multiplier=0.05, max=1, jitter=0.05),
        stop=stop_after_delay(REQUEST_TIMEOUT_S),
        reraise=True,
    )


def _is_moving(error: BaseException) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() in _MOVING
