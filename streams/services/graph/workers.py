"""Who is alive to compute: heartbeats of `control.v1`, and the words of operators that travel there too."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import structlog

from streams.domain.control import (
    RESUME,
    SKIP,
    Acknowledgement,
    Command,
    TenantControl,
    WorkerHeartbeat,
)
from streams.domain.errors import BrokerError, LogTruncated, Undecodable
from streams.domain.schedule import LiveWorker
from streams.messages.codec import decode_control
from streams.messages.topics import CONTROL
from streams.ports import Clock, Log, Record
from streams.services.graph.standing import Standing, Word

SILENCE_S: Final = 15.0  # five beats: the worker is dead
_LOOK_S: Final = 3.0  # between looks at the broker: as often as workers beat
_FORGET_S: Final = 600.0  # who died without a farewell is not kept for ever
_RETRY_S: Final = 1.0

_log = structlog.get_logger(__name__)


class WorkerView:
    """The last beat of each worker, and when it was heard, in seconds in which the broker answered."""

    def __init__(
        self,
        clock: Clock,
        on_change: Callable[[], None] = lambda: None,
        on_command: Callable[[Command], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._on_change = on_change
        self._on_command = on_command
        self._beats: dict[str, tuple[WorkerHeartbeat, float]] = {}
        # How long the broker has answered, up to the last look that it answered; whether it still does.
        self._answered_s, self._looked_s, self._does_answer = 0.0, clock.monotonic_s(), True
        self.standing = Standing()
        self._reading = self.standing  # what the log has said since it is read
        self.is_known = False  # the log was read to its end: who is not in the view is not alive

    async def follow(self, log: Log) -> None:
        """Read the log for ever; broker errors are waited out."""
        while True:
            try:
                await self._follow(log)
            except (BrokerError, LogTruncated) as error:
                _log.warning("control log is away", action="control_lost", error=str(error))
                await self._clock.sleep(_RETRY_S)

    async def watch(self, log: Log) -> None:
        """Ask the broker for a sign of life for ever: while it gives none, no worker can."""
        while True:
            try:
                async with asyncio.timeout(_LOOK_S):
                    await log.bounds(CONTROL, 0)
            except (BrokerError, TimeoutError):
                # What has passed since the last look does not count either.
                self._does_answer = False
            else:
                self._answered_s = self._answered()
                self._looked_s, self._does_answer = self._clock.monotonic_s(), True
            await self._clock.sleep(_LOOK_S)

    def _answered(self) -> float:
        """Seconds in which the broker answered: only they count as silence of a worker.

        By any other clock all would be dead after a pause of the broker, and their work done twice.
        """
        return self._answered_s + (self._clock.monotonic_s() - self._looked_s if self._does_answer else 0.0)

    async def _follow(self, log: Log) -> None:
        start, end = await log.bounds(CONTROL, 0)
        self._reading = Standing()  # and not on top of the last reading: a tombstone may be compacted away
        # an empty log is read to its end already
        self._set_known(start >= end)
        async for record in log.read(CONTROL, 0, start):
            self.take(record, is_past=record.offset < end)
            self._set_known(record.offset + 1 >= end)

    def take(self, record: Record, *, is_past: bool = True) -> None:
        """Apply one record of the log; what comes while it is followed is heard now, whatever its time."""
        key = (record.key or b"").decode(errors="replace")
        if record.value is None:
            # a tombstone: a worker that stopped, or a word that was taken back
            is_gone = self._beats.pop(key.removeprefix("worker/"), None) is not None
            if self._hear(key, None) or is_gone:
                self._on_change()
            return
        try:
            control = decode_control(record.value)
        except Undecodable as error:
            _log.warning("undecodable control record", action="control_skipped", key=key, error=str(error))
            return
        if isinstance(control, Acknowledgement):
            self._on_command(control)
        elif isinstance(control, TenantControl):
            self._obey(control)
        elif isinstance(control, WorkerHeartbeat):
            self._beat(control, record.timestamp_ms if is_past else self._clock.now_ms())
        elif self._hear(key, control):
            self._on_change()

    def _obey(self, command: TenantControl) -> None:
        if command.action in (RESUME, SKIP):
            self._on_command(command)
        else:  # of a newer release: whatever it means, it is not this
            _log.warning("unknown command", action="control_skipped", command=command.action)

    def live(self, work_class: str) -> list[LiveWorker]:
        """Workers of a class that were heard of lately, by id."""
        beats = sorted(
            (beat for beat in self._live() if beat.work_class == work_class), key=lambda b: b.worker
        )
        return [
            LiveWorker(beat.worker, beat.slots, tuple(sorted(beat.partitions)), beat.key_ids)
            for beat in beats
        ]

    def ids(self) -> set[str]:
        """All that are alive."""
        return {beat.worker for beat in self._live()}

    def _live(self) -> Iterable[WorkerHeartbeat]:
        now_s = self._answered()
        return [beat for beat, heard_s in self._beats.values() if now_s - heard_s < SILENCE_S]

    def _beat(self, beat: WorkerHeartbeat, written_ms: int) -> None:
        # A record that waited in the log is as old as the log says; a clock ahead of ours changes nothing.
        age_s = max(self._clock.now_ms() - written_ms, 0) / 1000
        known = self._beats.get(beat.worker)
        now_s = self._answered()
        if known is None:
            self._beats = {id_: last for id_, last in self._beats.items() if now_s - last[1] < _FORGET_S}
        self._beats[beat.worker] = (beat, now_s - age_s)
        # Only news wakes a sweep: beats come every three seconds from each worker.
        if known is None or _standing(known[0]) != _standing(beat):
            self._on_change()

    def _hear(self, key: str, word: Word | None) -> bool:
        """Whether what holds is another now; while the log is read again, the last reading holds."""
        is_news = self._reading.take(key, word)
        if is_news:
            _log.info("operator's word", action="standing_word", key=key, is_over=word is None)
        return is_news and self._reading is self.standing

    def _set_known(self, is_known: bool) -> None:
        if not is_known or (self.is_known and self._reading is self.standing):
            return
        self.standing = self._reading
        self.is_known = True
        self._on_change()


def _standing(beat: WorkerHeartbeat) -> WorkerHeartbeat:
    return msgspec.structs.replace(beat, at_ms=0)


async def standing_words(log: Log) -> list[Word]:
    """What holds at the present end of the log; raises BrokerError, LogTruncated."""
    standing = Standing()
    start, end = await log.bounds(CONTROL, 0)
    if start < end:
        async for record in log.read(CONTROL, 0, start, end):
            standing.take(*_word(record))
    return standing.words()


def _word(record: Record) -> tuple[str, Word | None]:
    key = (record.key or b"").decode(errors="replace")
    if record.value is None:
        return key, None
    try:
        control = decode_control(record.value)
    except Undecodable:
        return key, None  # of a newer release: nothing that holds here
    return key, control if isinstance(control, Word) else None
