"""ports.Log on Kafka."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from streams.adapters.kafka.metadata import KafkaMetadata
from streams.adapters.kafka.producer import KafkaProducer
from streams.adapters.kafka.reader import KafkaReader, Subscription
from streams.domain import partition as partitioner
from streams.domain.errors import BrokerError
from streams.ports import Headers, Position, Record
from streams.settings import KafkaSettings


class KafkaLog:
    """The broker as a log; to be used from one event loop, connections are made on first use.

    `linger_ms` is how long an append waits for others to go with it.
    """

    def __init__(self, kafka: KafkaSettings, linger_ms: float = 0.0) -> None:
        self._kafka, self._linger_ms = kafka, linger_ms
        self._metadata = KafkaMetadata(kafka)
        self._producer: KafkaProducer | None = None
        self._readers: list[KafkaReader] = []
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

    def partition_of(self, topic: str, key: bytes) -> int:
        """Partition of a key; the first call for a topic asks the broker, unless `partitions` did."""
        full = self._full(topic)
        return partitioner.partition_of(key, self._metadata.known_count(full) or self._metadata.count(full))

    async def partitions(self, topic: str) -> int:
        """How many partitions the topic has; raises BrokerError."""
        full = self._full(topic)
        return self._metadata.known_count(full) or await asyncio.to_thread(self._metadata.count, full)

    async def topic_id(self, topic: str) -> str:
        """Identity of the topic, another one after it was deleted and created again; raises BrokerError."""
        return await self._metadata.topic_id(self._full(topic))

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset that is still there, and the one after the last; raises BrokerError."""
        return await self._metadata.bounds(self._full(topic), partition)

    async def read(
        self, topic: str, partition: int, start: int, end: int | None = None
    ) -> AsyncGenerator[Record]:
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
            self._producer = KafkaProducer(self._kafka, linger_ms=self._linger_ms)
        return self._producer

    def _reader(self, subscription: Subscription) -> KafkaReader:
        """A reader that does not read this partition already: a consumer has one position in it."""
        self._check_open()
        # Few consumers for many partitions: a connection and a thread for each would be hundreds.
        for reader in self._readers:
            if reader.failure is None and subscription.place not in reader.places:
                return reader
        self._readers.append(KafkaReader(self._kafka))
        return self._readers[-1]

    def _check_open(self) -> None:
        if self._is_closed:
            raise BrokerError("the log is closed")
