"""Whether the broker is away when a worker is told to end: what it cannot take then holds up no end."""

import asyncio
import contextlib
from typing import Final

from streams.domain.errors import BrokerError
from streams.messages.topics import CONTROL
from streams.ports import Clock, Log

SILENT_S: Final = 5.0  # longer than a broker takes that is there, much shorter than a service may take to end
_LOOK_S: Final = 0.5


async def until_silent(log: Log, clock: Clock) -> None:
    """Ask the broker for a sign of life; return once it has given none for SILENT_S."""
    heard_s = clock.monotonic_s()
    while clock.monotonic_s() - heard_s < SILENT_S:
        with contextlib.suppress(BrokerError, TimeoutError):
            async with asyncio.timeout(SILENT_S):
                await log.bounds(CONTROL, 0)
            heard_s = clock.monotonic_s()
        await clock.sleep(_LOOK_S)
