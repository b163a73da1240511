"""A clock that moves only when it is told to."""

import asyncio
import heapq
import itertools
from typing import Final

START_MS: Final = 1_700_000_000_000  # some day in 2023: a fake time that looks like one


class FakeClock:
    """Time for tests and the simulator; sleepers wake in the order of their times."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self._start_ms = now_ms
        self._elapsed_s = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return self._start_ms + round(self._elapsed_s * 1_000)

    def now_us(self) -> int:
        """Microseconds since the epoch."""
        return self._start_ms * 1_000 + round(self._elapsed_s * 1_000_000)

    def monotonic_s(self) -> float:
        """Seconds since this clock was made."""
        return self._elapsed_s

    async def sleep(self, seconds: float) -> None:
        """Return when the clock was moved that far; no time at all still lets the others run."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed_s + seconds, next(self._order), woken))
        await woken

    @property
    def sleepers(self) -> int:
        """How many wait for the time to pass."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    def next_wake_s(self) -> float | None:
        """Seconds until the first sleeper wakes; None when nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)  # cancelled
        return self._sleepers[0][0] - self._elapsed_s if self._sleepers else None

    async def advance(self, seconds: float) -> None:
        """Move on, stopping at each sleeper's time so that what it does happens at that time."""
        until = self._elapsed_s + seconds
        await settle()
        while (wait := self.next_wake_s()) is not None and self._elapsed_s + wait <= until:
            at, _, woken = heapq.heappop(self._sleepers)
            self._elapsed_s = max(self._elapsed_s, at)
            woken.set_result(None)
            await settle()
        self._elapsed_s = until


async def settle(rounds: int = 20) -> None:
    """Let every task run that can, as far as that many turns of the loop take it."""
    for _ in range(rounds):
        await asyncio.sleep(0)
