"""The producer: idempotent, acknowledged by all replicas, partitioned as Java does.

Delivery reports come in a thread of their own, because librdkafka gives them only to who polls; that thread
hands them to the event loop in batches.
"""

import asyncio
import contextlib
import threading
from collections import deque
from typing import Final

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.adapters.kafka.client import broker_error, configuration
from streams.adapters.kafka.delivery import hook_of_append
from streams.domain.errors import BrokerError
from streams.ports import Headers, Position
from streams.settings import KafkaSettings

_log = structlog.get_logger(__name__)
DELIVERY_TIMEOUT_S: Final = 30
_FLUSH_S: Final = 5.0  # at the end; a broker that is there needs milliseconds
_POLL_S: Final = 0.1
_FULL_WAIT_S: Final = 0.02  # before another try when the producer's queue is full

Report = tuple[asyncio.Future[Position], Position | BrokerError]


class KafkaProducer:
    """Appends records; belongs to the event loop that makes it."""

    def __init__(
        self, kafka: KafkaSettings, delivery_timeout_s: float = DELIVERY_TIMEOUT_S, linger_ms: float = 0.0
    ) -> None:
        self._kafka, self._delivery_timeout_s, self._linger_ms = kafka, delivery_timeout_s, linger_ms
        self._loop = asyncio.get_running_loop()
        self._reports: deque[Report] = deque()
        self._is_closed = False
        self._stopping = threading.Event()  # the poller is to end
        self._producer = self._connect()
        self._lost = False  # the idempotent session ended for good; the poller makes a new one
        self._poller = threading.Thread(target=self._poll, name="kafka-producer", daemon=True)
        self._poller.start()

    async def append(
        self, topic: str, key: bytes, value: bytes | None, headers: Headers, partition: int | None
    ) -> Position:
        """Append to a topic by its full name and wait for all replicas; raises BrokerError."""
        while True:
            try:
                report = self.append_nowait(topic, key, value, headers, partition)
                break
            except BufferError:
                await asyncio.sleep(_FULL_WAIT_S)
        return await report

    def append_nowait(
        self, topic: str, key: bytes, value: bytes | None, headers: Headers, partition: int | None
    ) -> asyncio.Future[Position]:
        """Append and return the report to come; raises BufferError when the queue is full, BrokerError."""
        if self._is_closed:
            raise BrokerError("the producer is closed")
        future: asyncio.Future[Position] = self._loop.create_future()
        producer, stored = self._producer, hook_of_append()

        def deliver(error: KafkaError | None, message: Message) -> None:
            # Not of a producer that was replaced: its late reports must not cost the new one its session.
            if error is not None and error.fatal() and producer is self._producer:
                self._lost = True
            if error is None and stored is not None:
                stored()
            # Not to the future itself: this is the poller's thread, and futures belong to the loop.
            self._reports.append((future, _outcome(topic, error, message)))

        place = -1 if partition is None else partition  # -1: by the key
        try:
            producer.produce(topic, value, key, on_delivery=deliver, partition=place, headers=list(headers))
        except KafkaException as error:
            raise broker_error(f"append to {topic}", error) from error
        return future

    async def close(self) -> None:
        """Wait a moment for what was appended, then let go; what is not delivered ends in BrokerError."""
        if self._is_closed:
            return
        self._is_closed = True
        with contextlib.suppress(KafkaException):  # told by the reports
            left = await asyncio.to_thread(self._producer.flush, _FLUSH_S)
            if left:
                self._producer.purge()
                await asyncio.to_thread(self._producer.flush, _POLL_S)
        self._stopping.set()
        await asyncio.to_thread(self._poller.join)
        # Not in the loop's thread: it waits for what was purged and is not reported yet.
        await asyncio.to_thread(self._producer.close)
        self._hand_over()

    def _connect(self) -> Producer:
        return Producer(
            configuration(
                self._kafka,
                **{
                    "acks": "all",
                    "enable.idempotence": True,
                    "partitioner": "murmur2_random",  # librdkafka's own default is another hash
                    # What comes while a request is on its way goes together. Only who appends several at once
                    # gains from waiting: the broker answers a connection's requests one after the other.
                    "linger.ms": self._linger_ms,
                    "compression.type": "lz4",
                    "delivery.timeout.ms": round(self._delivery_timeout_s * 1_000),
                    "queue.buffering.max.kbytes": 128 * 1024,
                },
            )
        )

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._serve()
            if self._lost:
                self._replace()
            if self._reports:
                with contextlib.suppress(RuntimeError):  # the loop was closed without closing us
                    self._loop.call_soon_threadsafe(self._hand_over)

    def _serve(self) -> None:
        try:
            self._producer.poll(_POLL_S)
        except KafkaException as error:  # what ends the session is raised here too
            self._lost = True
            _log.error("producer lost its session", action="broker_producer_lost", error=str(error))

    def _replace(self) -> None:
        # A new session may repeat a record whose fate is unknown, it never loses one.
        lost, self._producer = self._producer, self._connect()
        self._lost = False
        # What is left in it ends in errors, so that whoever waits for it hears; nobody else would send it.
        lost.purge()
        with contextlib.suppress(KafkaException):
            lost.flush(_POLL_S)

    def _hand_over(self) -> None:
        while self._reports:
            future, outcome = self._reports.popleft()
            if future.done():
                # whoever waited was cancelled; the record is stored all the same
                continue
            if isinstance(outcome, BrokerError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)


def _outcome(topic: str, error: KafkaError | None, message: Message) -> Position | BrokerError:
    if error is not None:
        return broker_error(f"append to {topic}", error)
    return Position(message.partition() or 0, message.offset() or 0)
