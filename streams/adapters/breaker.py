"""The circuit breaker of every external dependency: who does not answer is left alone for a while.

closed --failures in a row--> open --after a while--> half-open --one success--> closed
                                                          └--failure--> open, twice as long
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Final, TypeVar

import structlog

from streams.domain.errors import Recoverable
from streams.ports import Clock

T = TypeVar("T")
_log = structlog.get_logger(__name__)
FAILURES_MAX: Final = 5
OPEN_S: Final = 1.0  # the first time
OPEN_S_MAX: Final = 30.0


class BreakerState(StrEnum):
    """Whether the dependency is asked."""

    CLOSED = "closed"  # yes
    OPEN = "open"  # no
    HALF_OPEN = "half-open"  # by one caller at a time, to see whether it is back


class Breaker:
    """Counts failures in a row; an error of another class than `failure` is an answer."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        refusal: type[Recoverable],
        *,
        failure: type[Exception] = Recoverable,
        failures_max: int = FAILURES_MAX,
        open_s: float = OPEN_S,
    ) -> None:
        self.name = name
        self._clock, self._refusal, self._failure = clock, refusal, failure
        self._failures_max, self._first_open_s = failures_max, open_s
        self._failures = 0
        self._open_s = open_s
        self._opened_at: float | None = None
        self._is_probing = False

    @property
    def state(self) -> BreakerState:
        """The state now."""
        if self._opened_at is None:
            return BreakerState.CLOSED
        waited = self._clock.monotonic_s() - self._opened_at
        return BreakerState.OPEN if waited < self._open_s else BreakerState.HALF_OPEN

    async def call(self, action: Callable[[], Awaitable[T]]) -> T:
        """The result of the action; raises the refusal at once while the breaker is open."""
        is_probe = self._admit()
        try:
            result = await action()
        except Exception as error:
            # Any other error is an answer, a refusal too: whoever answers is there.
            if isinstance(error, self._failure):
                self._failed(is_probe=is_probe)
            else:
                self._answered()
            raise
        finally:
            if is_probe:
                self._is_probing = False  # also when the caller was cancelled
        self._answered()
        return result

    def _admit(self) -> bool:
        """Whether the call is the one that shows if the dependency is back; raises the refusal."""
        state = self.state
        if state is BreakerState.OPEN or (state is BreakerState.HALF_OPEN and self._is_probing):
            raise self._refusal(f"{self.name} failed {self._failures} times in a row and is left alone")
        # One caller tries, all others go on being refused: a dependency that comes back is not met by
        # everybody at once.
        is_probe = state is BreakerState.HALF_OPEN
        self._is_probing = self._is_probing or is_probe
        return is_probe

    def _answered(self) -> None:
        if self._opened_at is not None:
            _log.info("dependency is back", action="breaker_closed", dependency=self.name)
        self._failures, self._opened_at, self._open_s = 0, None, self._first_open_s

    def _failed(self, *, is_probe: bool) -> None:
        self._failures += 1
        if self._opened_at is not None:
            if not is_probe:
                return  # it was under way already when the others failed
            self._open_s = min(self._open_s * 2, OPEN_S_MAX)
        elif self._failures < self._failures_max:
            return
        self._opened_at = self._clock.monotonic_s()
        _log.warning("dependency fails", action="breaker_opened", dependency=self.name, open_s=self._open_s)
