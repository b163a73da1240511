"""A worker's sign of life on `control.v1`: what it is, what it holds, and that it is still there."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from streams.domain.control import WorkerHeartbeat
from streams.domain.errors import BrokerError
from streams.messages.codec import encode, key_of
from streams.messages.topics import CONTROL
from streams.ports import Clock, Log
from streams.services.worker.pool import OnState

BEAT_S: Final = 3.0
_FAREWELL_S: Final = 2.0  # with a broker that is away; it saves 15 s of silence, no more
_LOOK_S: Final = 0.25  # how soon a rebalance or a new key is told

_log = structlog.get_logger(__name__)


def with_room(beat: WorkerHeartbeat, *, is_ending: bool) -> WorkerHeartbeat:
    """The beat as it is told: one that cannot compute yet, or begins nothing more, is alive and without room.

    Else it would be given most: whoever has nothing in hand looks idle.
    """
    if beat.key_ids and not is_ending:
        return beat
    return msgspec.structs.replace(beat, slots=0, partitions=())


class Heartbeat:
    """Announces a worker every three seconds and whenever what it would say has changed."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        describe: Callable[[int], WorkerHeartbeat],
        on_state: OnState = lambda _ok, _detail: None,
    ) -> None:
        self._to = log
        self._clock = clock
        self._describe = describe  # takes the time in milliseconds
        self._on_state = on_state
        self._said: WorkerHeartbeat | None = None
        self._said_at_s = 0.0

    async def run(self) -> None:
        """Beat until cancelled; then tell that the worker is gone."""
        try:
            while True:
                await self.look()
                await self._clock.sleep(_LOOK_S)
        finally:
            # While being cancelled: without the tombstone the graph would send items for another 15 s.
            await asyncio.shield(self._farewell())

    async def look(self) -> None:
        """Beat if it is time to, or if there is news."""
        beat = self._describe(self._clock.now_ms())
        # the time is in every beat and no news
        is_news = self._said is None or msgspec.structs.replace(beat, at_ms=self._said.at_ms) != self._said
        if is_news or self._clock.monotonic_s() - self._said_at_s >= BEAT_S:
            await self._say(beat)

    async def _say(self, beat: WorkerHeartbeat) -> None:
        try:
            await self._to.append(CONTROL, key=key_of(beat), value=encode(beat))
        except BrokerError as error:  # the next beat tries again; silence is what 15 s are for
            self._on_state(False, str(error))
            _log.warning("beat failed", action="heartbeat_failed", error=str(error))
            return
        self._on_state(True, "")
        self._said, self._said_at_s = beat, self._clock.monotonic_s()

    async def _farewell(self) -> None:
        if self._said is None:
            return
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await self._to.append(CONTROL, key=key_of(self._said), value=None)
        except (BrokerError, TimeoutError) as error:
            _log.warning("farewell failed", action="heartbeat_farewell_failed", error=str(error))
