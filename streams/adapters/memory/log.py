"""The broker's twin: partitions as lists, with the faults that a broker can have on request."""

import asyncio
from collections.abc import AsyncGenerator, Mapping

from streams.adapters.kafka import declaration
from streams.adapters.kafka.delivery import hook_of_append
from streams.adapters.memory.clock import FakeClock
from streams.domain import partition as partitioner
from streams.domain.errors import BrokerError, LogTruncated
from streams.ports import Clock, Headers, Position, Record


class _Partition:
    def __init__(self) -> None:
        self.records: list[Record] = []
        self.first = 0
        self.grew = asyncio.Event()

    @property
    def end(self) -> int:
        return self.first + len(self.records)

    def wake(self) -> None:
        self.grew.set()
        self.grew = asyncio.Event()


class _Topic:
    def __init__(self, count: int, number: int) -> None:
        self.id = f"memory-{number}"
        self.partitions = [_Partition() for _ in range(count)]
        self.dropped = 0  # appends to acknowledge and forget
        self.failures: list[bool] = []  # appends to fail; whether the record is stored all the same


class MemoryLog:
    """ports.Log in memory; topics and partition counts are those of `topics.yaml` unless given."""

    def __init__(self, topics: Mapping[str, int] | None = None, clock: Clock | None = None) -> None:
        counts = topics or {name: spec.partitions for name, spec in declaration.load().topics.items()}
        self._clock = clock or FakeClock()
        self._made = 0
        self._topics = {name: self._make(count) for name, count in counts.items()}
        self._is_closed = False
        self._grew = asyncio.Event()

    async def append(
        self,
        topic: str,
        *,
        key: bytes,
        value: bytes | None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> Position:
        """Append; raises BrokerError when told to fail, when closed and for an unknown topic."""
        await asyncio.sleep(0)  # as with a broker, others run before the acknowledgement
        self._check_open()
        found = self._topic(topic)
        number = self.partition_of(topic, key) if partition is None else partition
        place = self._place(topic, number)
        if found.failures:
            if found.failures.pop(0):
                self._store(place, topic, number, key, value, headers)
            raise BrokerError(f"append to {topic}: failed on request")
        if found.dropped:
            found.dropped -= 1
            return Position(number, place.end)
        position, stored = self._store(place, topic, number, key, value, headers), hook_of_append()
        if stored is not None:
            stored()
        return position

    def partition_of(self, topic: str, key: bytes) -> int:
        """Partition of a key by murmur2."""
        return partitioner.partition_of(key, len(self._topic(topic).partitions))

    async def partitions(self, topic: str) -> int:
        """How many partitions the topic has."""
        return len(self._topic(topic).partitions)

    async def topic_id(self, topic: str) -> str:
        """Identity of the topic, another one after `recreate`."""
        return self._topic(topic).id

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset that is still there, and the one after the last."""
        place = self._place(topic, partition)
        return place.first, place.end

    async def read(
        self, topic: str, partition: int, start: int, end: int | None = None
    ) -> AsyncGenerator[Record, None]:
        """Records from `start`, up to `end` (exclusive) or for ever; raises LogTruncated, BrokerError."""
        place, at = self._place(topic, partition), start
        while end is None or at < end:
            if not place.first <= at <= place.end:
                raise LogTruncated(f"{topic}/{partition} no longer holds what follows offset {at}")
            if at == place.end:
                self._check_open()
                await place.grew.wait()
                continue
            yield place.records[at - place.first]
            at += 1

    async def close(self) -> None:
        """Refuse every further append and end every reader that waits."""
        self._is_closed = True
        for topic in self._topics.values():
            for place in topic.partitions:
                place.wake()

    def drop_next(self, topic: str, count: int = 1) -> None:
        """The next appends are acknowledged and never stored."""
        self._topic(topic).dropped += count

    def fail_next(self, topic: str, *, is_stored: bool = False) -> None:
        """The next append raises BrokerError; its record may be stored all the same, as with a broker."""
        self._topic(topic).failures.append(is_stored)

    def expire(self, topic: str, partition: int, before: int) -> None:
        """Delete the records before an offset, as retention does."""
        place = self._place(topic, partition)
        del place.records[: max(before - place.first, 0)]
        place.first = max(before, place.first)

    def recreate(self, topic: str) -> None:
        """Delete the topic and create it again, empty and with another identity."""
        self._topics[topic] = self._make(len(self._topic(topic).partitions))

    async def grown(self) -> None:
        """Return at the next append to any topic."""
        await self._grew.wait()

    def records(self, topic: str, partition: int | None = None) -> tuple[Record, ...]:
        """Everything stored, partition by partition; for tests."""
        places = self._topic(topic).partitions
        chosen = places if partition is None else [places[partition]]
        return tuple(record for place in chosen for record in place.records)

    def _check_open(self) -> None:
        if self._is_closed:
            raise BrokerError("the log is closed")

    def _make(self, count: int) -> _Topic:
        self._made += 1
        return _Topic(count, self._made)

    def _topic(self, topic: str) -> _Topic:
        if topic not in self._topics:
            raise BrokerError(f"there is no topic {topic}")
        return self._topics[topic]

    def _place(self, topic: str, partition: int) -> _Partition:
        places = self._topic(topic).partitions
        if not 0 <= partition < len(places):
            raise BrokerError(f"{topic} has no partition {partition}")
        return places[partition]

    def _store(
        self,
        place: _Partition,
        topic: str,
        partition: int,
        key: bytes,
        value: bytes | None,
        headers: Headers,
    ) -> Position:
        offset = place.end
        place.records.append(
            Record(
                topic=topic,
                partition=partition,
                offset=offset,
                key=key,
                value=value,
                headers=headers,
                timestamp_ms=self._clock.now_ms(),
            )
        )
        place.wake()
        self._grew.set()
        self._grew = asyncio.Event()
        return Position(partition, offset)
