"""How long to wait before the next try while something is away."""

from typing import Final

import structlog

from streams.ports import Clock
from streams.services.sender.lease import AddressTaken

_log = structlog.get_logger(__name__)

PAUSES_S: Final = (0.3, 0.6, 1.2, 2.5, 5.0, 10.0, 15.0)  # the last for ever
TAKEN_PAUSE_S: Final = 0.3  # asks the database only, and who waits for an address is to be quick
_FORGET_S: Final = 30.0  # a try that went well for so long: what failed before is another matter


class Patience:
    """Pauses of one call, longer from try to try; says why while they grow."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tries = 0
        self._since_s = clock.monotonic_s()

    async def pause(self, error: Exception) -> None:
        """Sleep after a try that failed."""
        if self._clock.monotonic_s() - self._since_s >= _FORGET_S:
            self._tries = 0
        if self._tries < len(PAUSES_S):
            _log.info(str(error), action="call_waits", error=type(error).__name__)
        pause_s = PAUSES_S[min(self._tries, len(PAUSES_S) - 1)]
        await self._clock.sleep(TAKEN_PAUSE_S if isinstance(error, AddressTaken) else pause_s)
        self._tries += 1
        self._since_s = self._clock.monotonic_s()
