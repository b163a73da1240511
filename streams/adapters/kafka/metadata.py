"""Questions to the broker about its topics, by their full names."""

# The client library neither exports nor fully types its administration.
# pyright: reportPrivateImportUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from streams.adapters.kafka.client import REQUEST_TIMEOUT_S, broker_error, configuration
from streams.domain.errors import BrokerError
from streams.settings import KafkaSettings

_REQUEST: Final = {"request_timeout": REQUEST_TIMEOUT_S}
# A partition that was just made, or whose leader moves, has none for a moment.
_MOVING: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError._NOENT,  # no leader is known
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
            offsets_of(self._admin, [at], OffsetSpec.earliest()),
            offsets_of(self._admin, [at], OffsetSpec.latest()),
        )
        return first[0], last[0]


async def offsets_of(admin: AdminClient, places: Sequence[TopicPartition], spec: Any) -> list[int]:
    """One offset of each partition, as `spec` says; raises BrokerError."""
    try:
        return await _retrying()(_ask, admin, places, spec)
    except KafkaException as error:
        raise broker_error(_bounds_of(places), error) from error


async def _ask(admin: AdminClient, places: Sequence[TopicPartition], spec: Any) -> list[int]:
    asked: dict[Any, Any] = dict.fromkeys(places, spec)
    answers: dict[Any, Any] = admin.list_offsets(asked, **_REQUEST)
    found = await asyncio.gather(*(asyncio.wrap_future(answers[place]) for place in places))
    offsets = [int(one.offset) for one in found]
    # A request that died with its connection comes back as a success without an offset (-1001). Taken for
    # the end of a log it would say that records were lost.
    if min(offsets, default=0) < 0:
        raise BrokerError(f"{_bounds_of(places)}: no answer")
    return offsets


def _bounds_of(places: Sequence[TopicPartition]) -> str:
    return f"bounds of {', '.join(sorted({place.topic for place in places}))}"


def _retrying() -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception(_is_passing),
        wait=wait_exponential_jitter(multiplier=0.05, max=1, jitter=0.05),
        stop=stop_after_delay(REQUEST_TIMEOUT_S),
        reraise=True,
    )


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, KafkaException):
        return error.args[0].code() in _MOVING
    return isinstance(error, BrokerError)
