"""ports.Log on Kafka."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.adapters.kafka.client import REQUEST_TIMEOUT_S, broker_error, configuration
from streams.adapters.kafka.producer import KafkaProducer
from streams.adapters.kafka.reader import KafkaReader, Subscription
from streams.domain import partition as partitioner
from streams.domain.errors import BrokerError
from streams.ports import Headers, Position, Record
from streams.settings import KafkaSettings

_REQUEST: Final = {"request_timeout": REQUEST_TIMEOUT_S}


class KafkaLog:
    """The broker as a log; to be used from one event loop, connections are made on first use."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._admin = AdminClient(configuration(kafka))
        self._producer: KafkaProducer | None = None
        self._readers: list[KafkaReader] = []
        self._counts: dict[str, int] = {}
        self._is_closed = False

    async def append(
        self,
        topic: str,
        *,
        key: bytes,
        value: bytes | None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> Position:
        """Append and wait until all replicas have it; raises BrokerError (then its fate is unknown)."""
        return await self._appender().append(self._full(topic), key, value, headers, partition)

    def append_nowait(
        self,
        topic: str,
        *,
        key: bytes,
        value: bytes | None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> asyncio.Future[Position]:
        """Append and return the report to come; order is kept. Raises BufferError when too much waits."""
        return self._appender().append_nowait(self._full(topic), key, value, headers, partition)

    def partition_of(self, topic: str, key: bytes) -> int:
        """Partition of a key; the first call for a topic asks the broker, unless `partitions` did."""
        return partitioner.partition_of(key, self._counts.get(topic) or self._count(topic))

    async def partitions(self, topic: str) -> int:
        """How many partitions the topic has; raises BrokerError."""
        return self._counts.get(topic) or await asyncio.to_thread(self._count, topic)

    async def topic_id(self, topic: str) -> str:
        """Identity of the topic, another one after it was deleted and created again; raises BrokerError."""
        full = self._full(topic)
        try:
            answer = self._admin.describe_topics(TopicCollection([full]), **_REQUEST)
            description = await asyncio.wrap_future(answer[full])
        except KafkaException as error:
            raise broker_error(f"describe {topic}", error) from error
        return str(description.topic_id)

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset that is still there, and the one after the last; raises BrokerError."""
        at = TopicPartition(self._full(topic), partition)
        first, last = await asyncio.gather(
            self._offset(at, OffsetSpec.earliest()), self._offset(at, OffsetSpec.latest())
        )
        return first, last

    async def read(
        self, topic: str, partition: int, start: int, end: int | None = None
    ) -> AsyncIterator[Record]:
        """Records from `start`, up to `end` (exclusive) or for ever; assigned, without a group.

        Raises: LogTruncated when `start` is outside of the log, BrokerError when the topic is gone.
        """
        if end is not None and start >= end:
            return
        if partition >= await self.partitions(topic):  # the client library would wait for it to appear
            raise BrokerError(f"read {topic}: there is no partition {partition}")
        subscription = Subscription(topic, (self._full(topic), partition), start)
        reader = self._reader(subscription)
        reader.add(subscription)
        try:
            async with contextlib.aclosing(subscription.records(end)) as records:
                async for record in records:
                    yield record
        finally:
            reader.remove(subscription)

    async def close(self) -> None:
        """Flush what was appended and let go of all connections."""
        self._is_closed = True
        if self._producer is not None:
            await self._producer.close()
        readers, self._readers = self._readers, []
        await asyncio.gather(*(reader.close() for reader in readers))

    def _full(self, topic: str) -> str:
        return self._kafka.prefix + topic

    def _appender(self) -> KafkaProducer:
        self._check_open()
        if self._producer is None:
            self._producer = KafkaProducer(self._kafka)
        return self._producer

    def _reader(self, subscription: Subscription) -> KafkaReader:
        """A reader that does not read this partition already: a consumer has one position in it."""
        self._check_open()
        for reader in self._readers:
            if subscription.place not in reader.places:
                return reader
        self._readers.append(KafkaReader(self._kafka))
        return self._readers[-1]

    def _check_open(self) -> None:
        if self._is_closed:
            raise BrokerError("the log is closed")

    def _count(self, topic: str) -> int:
        full = self._full(topic)
        try:
            found = self._admin.list_topics(full, timeout=REQUEST_TIMEOUT_S).topics[full]
        except KafkaException as error:
            raise broker_error(f"partitions of {topic}", error) from error
        if found.error is not None:
            raise broker_error(f"partitions of {topic}", found.error)
        self._counts[topic] = len(found.partitions)
        return self._counts[topic]

    async def _offset(self, at: TopicPartition, spec: OffsetSpec) -> int:
        try:
            answer = self._admin.list_offsets({at: spec}, **_REQUEST)[at]
            return (await asyncio.wrap_future(answer)).offset
        except KafkaException as error:
            raise broker_error(f"bounds of {at.topic}/{at.partition}", error) from error
