"""ports.WorkSource on Kafka: a member of a group that polls for ever while work takes as long as it takes.

A thread owns the consumer, so a busy event loop never costs the membership. It holds at most `slots` records
in waiting, pauses all partitions meanwhile, and commits only up to the lowest offset that is not finished.
When a partition moves away, its waiting records are dropped; what runs goes on, its results are harmless.
"""

import asyncio
import contextlib
import queue
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from streams.adapters.held_work import HeldWork
from streams.adapters.kafka.client import as_record, configuration
from streams.adapters.kafka.offsets import OpenOffsets
from streams.domain.errors import BrokerError
from streams.settings import KafkaSettings

_log = structlog.get_logger(__name__)
_POLL_S: Final = 0.05  # also how long a finished offset waits until it may be committed
_COMMIT_MS: Final = 500
# Silence after which the broker gives our partitions away, unless the settings have less: a worker keeps no
# state that would be costly to move, as the graph does.
_SESSION_MS_MAX: Final = 10_000
_HEARTBEAT_MS: Final = 500  # a member learns of a rebalance only by its heartbeat


class KafkaWorkSource:
    """Items in the order of their partitions, finished in any; to be made and used on one event loop.

    It joins the group when the first item is asked for: one that never is costs the others no rebalance.
    On the loop, `on_rebalance` is called after every change of the partitions held, and `on_state` when the
    broker answers something else than records (topic gone, not allowed) and when it gives records again.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        group: str,
        slots: int,
        on_rebalance: Callable[[], None] | None = None,
        on_state: Callable[[bool, str], None] = lambda _ok, _detail: None,
    ) -> None:
        self._topic, self._slots = topic, slots
        self._full_topic = kafka.prefix + topic
        self._on_rebalance, self._on_state = on_rebalance, on_state
        self._trouble = ""  # what the broker last answered instead of a record; the thread's
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._failure: BrokerError | None = None
        self._is_stopping = False
        self._out: list[HeldWork] = []
        self._waiting: deque[HeldWork] = deque()
        self._held: dict[int, OpenOffsets] = {}  # written by the thread only
        self._finished: queue.SimpleQueue[HeldWork] = queue.SimpleQueue()
        self._is_paused = False
        self._leave = threading.Event()
        self._consumer = Consumer(member_configuration(kafka, group))
        self._thread = threading.Thread(target=self._run, name=f"kafka-{topic}", daemon=True)

    async def items(self) -> AsyncGenerator[HeldWork, None]:
        """Items as slots are free, until the source is stopped; raises BrokerError when the group is lost."""
        if not self._is_stopping:
            self._start()
        while not self._is_stopping:
            if self._failure is not None:
                raise self._failure
            work = self._next() if len(self._out) < self._slots else None
            if work is None:
                self._changed.clear()
                if not self._is_stopping and self._failure is None and not self._can_go_on():
                    await self._changed.wait()
                continue
            self._out.append(work)
            yield work

    def partitions(self) -> Sequence[int]:
        """Partitions held at present."""
        return tuple(sorted(self._held.copy()))  # the thread may change it meanwhile

    async def stop(self) -> None:
        """Take no more, wait for what is out, commit, leave the group.

        A caller that does not want to wait so long cancels this: what is out is then given to another member.
        """
        self._is_stopping = True
        self._changed.set()
        try:
            while self._out:
                self._changed.clear()
                await self._changed.wait()
        finally:
            self._leave.set()
            self._start()  # also one that never joined has a client to close
            await asyncio.to_thread(self._thread.join)

    # On the event loop

    def _start(self) -> None:
        if self._thread.ident is None:
            self._thread.start()

    def _release(self, work: HeldWork) -> None:
        self._out.remove(work)
        self._finished.put(work)
        self._changed.set()

    def _can_go_on(self) -> bool:
        return len(self._out) < self._slots and any(self._is_held(work) for work in tuple(self._waiting))

    def _next(self) -> HeldWork | None:
        for work in tuple(self._waiting):
            self._discard(work)
            if self._is_held(work):
                return work
        return None

    def _is_held(self, work: HeldWork) -> bool:
        # By identity: a partition that went and came back has new offsets, and its old items are another's.
        return self._held.get(work.record.partition) is work.offsets

    def _discard(self, work: HeldWork) -> None:
        with contextlib.suppress(ValueError):  # the thread dropped it with its partition
            self._waiting.remove(work)

    def _rebalanced(self) -> None:
        self._changed.set()
        if self._on_rebalance is not None and not self._leave.is_set():
            self._on_rebalance()

    # On the consumer's thread

    def _run(self) -> None:
        try:
            self._join()
            while not self._leave.is_set():
                message = self._consumer.poll(_POLL_S)
                if message is not None:
                    self._take(message)
                self._reap()
                self._throttle()
            self._reap()
        except Exception as error:  # a thread that ends unseen would look like an idle topic
            self._failure = BrokerError(f"consume {self._topic}: {error}")
            self._tell(self._changed.set)
        finally:
            self._consumer.close()  # calls _revoked, which commits

    def _join(self) -> None:
        if not self._leave.is_set():
            self._consumer.subscribe(
                [self._full_topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
            )

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.fatal():
                raise KafkaException(error)
            self._state(error.str())
            return
        self._state("")
        record = as_record(message, self._topic)
        offsets = self._held.get(record.partition)
        # fetched before the partition moved away
        if offsets is None:
            return
        offsets.begin(record.offset)
        self._waiting.append(HeldWork(record, offsets, self._release))
        self._tell(self._changed.set)

    def _state(self, trouble: str) -> None:
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if trouble:
            _log.warning("no records of a topic", action="work_unreadable", topic=self._topic, error=trouble)
        self._tell(lambda: self._on_state(not trouble, trouble))

    def _reap(self) -> None:
        while not self._finished.empty():
            work = self._finished.get()
            if not self._is_held(work):
                continue  # moved on: whoever holds it now takes it again
            place = work.record.partition
            offset = work.offsets.finish(work.record.offset)
            if offset is not None:
                self._consumer.store_offsets(offsets=[TopicPartition(self._full_topic, place, offset)])

    def _throttle(self) -> None:
        is_full = len(self._waiting) >= self._slots
        # Two marks, so that a source at its limit does not pause and resume with every item.
        is_low = len(self._waiting) <= self._slots // 2
        if not self._is_paused and is_full:
            self._consumer.pause(self._consumer.assignment())
            self._is_paused = True
        elif self._is_paused and is_low:
            self._consumer.resume(self._consumer.assignment())
            self._is_paused = False

    def _assigned(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        for place in places:
            self._held[place.partition] = OpenOffsets()
        consumer.incremental_assign(places)
        # Said either way: a new partition comes unpaused, one that was here before as it went.
        if places:
            (consumer.pause if self._is_paused else consumer.resume)(places)
        self._state("")
        self._tell_rebalance("assigned", places)

    def _revoked(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._reap()
        try:
            consumer.commit(asynchronous=False)
        except KafkaException as error:
            _log.debug("nothing to commit", action="work_commit_skipped", error=str(error))
        self._drop(places)
        consumer.incremental_unassign(places)
        self._tell_rebalance("revoked", places)

    def _lost(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._drop(places)
        consumer.incremental_unassign(places)
        self._tell_rebalance("lost", places)

    def _drop(self, places: list[TopicPartition]) -> None:
        for place in places:
            self._held.pop(place.partition, None)
        for work in tuple(self._waiting):
            if not self._is_held(work):
                self._discard(work)

    def _tell_rebalance(self, change: str, places: list[TopicPartition]) -> None:
        numbers = [place.partition for place in places]
        _log.info("partitions moved", action=f"work_{change}", topic=self._topic, partitions=numbers)
        self._tell(self._rebalanced)

    def _tell(self, callback: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed without stopping us
            self._loop.call_soon_threadsafe(callback)


def member_configuration(kafka: KafkaSettings, group: str) -> dict[str, object]:
    """Properties of a consumer that is a member of this group."""
    return configuration(
        kafka,
        **{
            "group.id": kafka.prefix + group,
            "partition.assignment.strategy": "cooperative-sticky",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": True,
            "auto.commit.interval.ms": _COMMIT_MS,
            "enable.auto.offset.store": False,  # only what is finished is stored, and so committed
            "session.timeout.ms": min(_SESSION_MS_MAX, int(kafka.session_timeout_s * 1000)),
            "heartbeat.interval.ms": _HEARTBEAT_MS,
            "queued.max.messages.kbytes": 16_384,
            "fetch.wait.max.ms": 500,
        },
    )
