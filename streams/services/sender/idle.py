"""What a sender does while no call is in its hands: a reorganisation may take what was confirmed long ago.

The calls of a branch that is gone lie under nonces that the chain waits for again. With a call in our hands
the line is looked after for its sake; without one nobody would see that something is missing.
"""

from typing import Final

import structlog

from streams.domain.errors import Fenced, RpcError, StoreError
from streams.ports import Clock
from streams.services.sender.lease import AddressTaken, Lease
from streams.services.sender.line import Line

LOOK_S: Final = 30.0  # one question to the node and one to the table

_log = structlog.get_logger(__name__)


async def look_after(line: Line, lease: Lease, clock: Clock) -> None:
    """Tend the line whenever something of it is not mined; raises ConfigurationError."""
    is_tended = False
    while True:
        await clock.sleep(LOOK_S)
        try:
            if await line.is_waiting():
                await _tend(line, lease)
                is_tended = True
            elif is_tended:
                line.leave()
                is_tended = False
        except (AddressTaken, Fenced):
            continue  # whoever has it looks after the line
        except (RpcError, StoreError) as error:
            _log.info("cannot look after the line", action="idle_look_failed", error=str(error))


async def _tend(line: Line, lease: Lease) -> None:
    async with lease.held() as epoch:
        try:
            await line.tend(epoch)
        except Fenced:
            lease.forget(epoch)
