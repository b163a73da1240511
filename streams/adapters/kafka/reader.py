"""Assigned reading without a group: one consumer and one thread serve all partitions that a process reads.

A partition that its reader does not empty is paused, so memory stays bounded and the others go on.
"""

import asyncio
import contextlib
import queue
import threading
from collections import deque
from collections.abc import AsyncGenerator
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.adapters.kafka.client import as_record, broker_error, configuration
from streams.domain.errors import BrokerError, CipherstreamError, LogTruncated
from streams.ports import Record
from streams.settings import KafkaSettings

_log = structlog.get_logger(__name__)
_POLL_S: Final = 0.02  # also how long a new subscription waits at most
_BATCH: Final = 200
_BACKLOG_BYTES_MAX: Final = 4 * 1024 * 1024  # of one partition, fetched and not yet read
_RECORD_BYTES: Final = 256  # overhead of a record, so that empty ones count too
# What no waiting of the client library heals: whoever reads decides.
_GONE: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
    }
)

Place = tuple[str, int]  # full name of the topic, partition


class Subscription:
    """One partition from one offset on; filled by the thread, emptied by the event loop."""

    def __init__(self, topic: str, place: Place, start: int) -> None:
        self.topic, self.place, self.start = topic, place, start
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._records: deque[Record] = deque()
        self._pushed_bytes = self._taken_bytes = 0  # each written by one thread only
        self._end = -1  # offset at which the partition ended when it was last seen to end
        self._failure: CipherstreamError | None = None
        self.is_paused = False

    @property
    def is_full(self) -> bool:
        """Whether the reader is behind by as much as may be kept for it."""
        return self._pushed_bytes - self._taken_bytes > _BACKLOG_BYTES_MAX

    def push(self, record: Record) -> None:
        self._records.append(record)
        self._pushed_bytes += _size(record)

    def ended(self, offset: int) -> None:
        self._end = offset

    def fail(self, failure: CipherstreamError) -> None:
        self._failure = failure

    def wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed without closing us
            self._loop.call_soon_threadsafe(self._arrived.set)

    async def records(self, end: int | None) -> AsyncGenerator[Record]:
        """Records in order; raises what the thread met, after the records before it."""
        while True:
            self._arrived.clear()
            seen_end, failure = self._end, self._failure  # before the records that they follow
            while self._records:
                record = self._records.popleft()
                self._taken_bytes += _size(record)
                if end is not None and record.offset >= end:
                    return  # what lay at the end was compacted away
                yield record
                if end is not None and record.offset + 1 >= end:
                    return
            if failure is not None:
                raise failure
            if end is not None and seen_end >= end:
                return
            await self._arrived.wait()


class KafkaReader:
    """A consumer, its thread and the partitions that it reads, each once."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._consumer = Consumer(
            configuration(
                kafka,
                **{
                    "group.id": "unused",  # the library wants one; nothing is committed
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                    "enable.partition.eof": True,
                    "auto.offset.reset": "error",  # a record that is gone is a decision of the caller
                    "queued.max.messages.kbytes": 2_048,  # per partition
                    "fetch.wait.max.ms": 500,
                },
            )
        )
        self._commands: queue.SimpleQueue[tuple[bool, Subscription]] = queue.SimpleQueue()
        self._open: dict[Place, Subscription] = {}
        self.places: set[Place] = set()
        self.failure: CipherstreamError | None = None  # why the thread ended before it was told to
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka-reader", daemon=True)
        self._thread.start()

    def add(self, subscription: Subscription) -> None:
        """Start reading; the place must not be read by this reader already."""
        self.places.add(subscription.place)
        self._commands.put((True, subscription))
        if self.failure is not None:
            subscription.fail(self.failure)
            subscription.wake()

    def remove(self, subscription: Subscription) -> None:
        """Stop reading."""
        self.places.discard(subscription.place)
        self._commands.put((False, subscription))

    async def close(self) -> None:
        """End the thread and let go of the broker."""
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._obey()
                self._throttle()
                self._fetch()
            self._fail(BrokerError("the log is closed"))
        except KafkaException as error:
            _log.error("reading ended", action="broker_reader_failed", error=str(error))
            self._fail(broker_error("read", error))
        except Exception as error:  # a thread that ends unseen would look like idle topics
            _log.exception("reading ended", action="broker_reader_failed")
            self._fail(BrokerError(f"read: {type(error).__name__}: {error}"))
        finally:
            self._consumer.close()

    def _fail(self, failure: CipherstreamError) -> None:
        self.failure = failure  # first, so that whoever comes later sees it
        for subscription in self._open.values():
            subscription.fail(failure)
            subscription.wake()

    def _obey(self) -> None:
        while not self._commands.empty():
            is_new, subscription = self._commands.get()
            at = TopicPartition(*subscription.place, subscription.start)
            if is_new:
                self._open[subscription.place] = subscription
                self._consumer.incremental_assign([at])
                # The library remembers that whoever read it before was behind when it stopped.
                self._consumer.resume([at])
            elif self._open.get(subscription.place) is subscription:
                del self._open[subscription.place]
                self._consumer.incremental_unassign([at])

    def _throttle(self) -> None:
        for place, subscription in self._open.items():
            if subscription.is_full != subscription.is_paused:
                subscription.is_paused = subscription.is_full
                change = self._consumer.pause if subscription.is_paused else self._consumer.resume
                change([TopicPartition(*place)])

    def _fetch(self) -> None:
        # `consume` waits until its batch is full, so it only takes what lies there already.
        first = self._consumer.poll(_POLL_S)
        if first is None:
            return
        touched: set[Place] = set()
        for message in (first, *self._consumer.consume(_BATCH, 0)):
            place = (message.topic() or "", message.partition() or 0)
            # fetched before the partition was let go
            if place in self._open:
                self._deliver(self._open[place], message)
                touched.add(place)
        for place in touched:
            self._open[place].wake()

    def _deliver(self, subscription: Subscription, message: Message) -> None:
        error = message.error()
        if error is None:
            subscription.push(as_record(message, subscription.topic))
        # An end is an offset and no end of reading: compaction may have taken the last records before it.
        elif error.code() == KafkaError._PARTITION_EOF:
            subscription.ended(message.offset() or 0)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            subscription.fail(_truncated(subscription))
        elif error.fatal() or error.code() in _GONE:
            subscription.fail(broker_error(f"read {subscription.topic}", KafkaException(error)))
        else:
            text, topic = error.str(), subscription.topic
            _log.warning("not read", action="broker_read_failed", topic=topic, error=text, code=error.name())


def _truncated(subscription: Subscription) -> LogTruncated:
    topic, partition = subscription.topic, subscription.place[1]
    return LogTruncated(f"{topic}/{partition} no longer holds what follows offset {subscription.start}")


def _size(record: Record) -> int:
    return _RECORD_BYTES + len(record.value or b"") + len(record.key or b"")
