"""What a sender does beside the calls in its hands: a reorganisation may take what was made long ago.

The calls of a branch that is gone lie under nonces that the chain waits for again, or it uses these nonces
for something else. With a call in our hands the line is looked after for its sake; what is not in anybody's
hands is missed by nobody but us.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from streams.domain.errors import Fenced, RpcError, StoreError
from streams.domain.transactions import StoredCall
from streams.ports import Clock
from streams.services.sender.lease import AddressTaken, Lease
from streams.services.sender.line import Line
from streams.services.sender.review import Review

LOOK_S: Final = 30.0  # a few questions to the node and two to the table

_log = structlog.get_logger(__name__)


class Idle:
    """Looks after the line and what was settled, whatever else the sender does."""

    def __init__(
        self,
        line: Line,
        lease: Lease,
        review: Review,
        make: Callable[[StoredCall], Awaitable[bool]],
        calls_max: int,
        clock: Clock,
    ) -> None:
        """Args: make: makes a call that nobody has in hand, so many at once; False when that failed."""
        self._line = line
        self._lease = lease
        self._review = review
        self._make = make
        self._calls_max = calls_max
        self._clock = clock
        self._is_tended = False
        self._making: set[asyncio.Task[None]] = set()
        self._waiting: deque[StoredCall] = deque()
        self._tried = -1  # nonce of the last one that had its turn

    async def run(self) -> None:
        """Look for ever; raises ConfigurationError."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._clock.sleep(LOOK_S)
                try:
                    await self._look(group)
                except (AddressTaken, Fenced):
                    continue  # whoever has it looks after the line
                except (RpcError, StoreError) as error:
                    _log.info("cannot look after the line", action="idle_look_failed", error=str(error))

    async def _look(self, group: asyncio.TaskGroup) -> None:
        if await self._line.is_waiting():
            await self._tend()
            self._is_tended = True
        elif self._is_tended:
            self._line.leave()
            self._is_tended = False
        self._waiting = deque(sorted(await self._review.due(), key=self._turn))
        for _ in range(min(len(self._waiting), self._calls_max - len(self._making))):
            task = group.create_task(self._make_waiting())
            self._making.add(task)
            task.add_done_callback(self._making.discard)

    def _turn(self, call: StoredCall) -> tuple[bool, int]:
        """By nonce, from the one behind the last that was tried: what cannot be made starves nobody."""
        return call.nonce <= self._tried, call.nonce

    async def _make_waiting(self) -> None:
        """One call after the other until one fails: what refuses all is asked a few times at each look."""
        while self._waiting:
            call = self._waiting.popleft()
            self._tried = call.nonce
            if not await self._make(call):
                return

    async def _tend(self) -> None:
        async with self._lease.held() as epoch:
            try:
                await self._line.tend(epoch)
            except Fenced:
                self._lease.forget(epoch)
