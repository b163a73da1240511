"""Being the one sender of an address: held while calls are in the hands, let go when none is.

Two senders of one address may run; the one that is given work becomes the holder as soon as the other has
nothing in its hands. A killed holder's lock falls with its connection.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable

import structlog

from streams.domain.errors import Recoverable, StoreError
from streams.services.sender.store import SenderStore

_log = structlog.get_logger(__name__)


class AddressTaken(Recoverable):
    """Another sender has this address at the moment."""


class Lease:
    """The right to use an address's nonces, shared by the calls of one process."""

    def __init__(self, store: SenderStore, address: bytes, recover: Callable[[int], Awaitable[None]]) -> None:
        """Args: recover: called with the new epoch whenever the address was taken, before any call."""
        self._store = store
        self._address = address
        self._recover = recover
        self._lock = asyncio.Lock()
        self._users = 0
        self._epoch: int | None = None

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncGenerator[int]:
        """The epoch, valid until a write says Fenced; raises AddressTaken, StoreError, RpcError."""
        async with self._lock:
            # under the lock: of many calls that come together, one takes the address and the others use its
            # epoch
            epoch = self._epoch or await self._take()
            self._users += 1
        try:
            yield epoch
        finally:
            async with self._lock:
                self._users -= 1
                # Let go as soon as nothing is in our hands: a second sender is not a spare, it is quick.
                if not self._users:
                    await self._let_go()

    def forget(self, epoch: int) -> None:
        """Somebody else has it: the next call takes it anew."""
        if self._epoch == epoch:
            self._epoch = None

    async def _take(self) -> int:
        epoch = await self._store.acquire(self._address)
        if epoch is None:
            raise AddressTaken
        try:
            # Before any call of ours: what the holder before us signed goes first, under the nonces that it
            # took.
            await self._recover(epoch)
        except BaseException:
            await self._store.release(self._address)
            raise
        self._epoch = epoch
        return epoch

    async def _let_go(self) -> None:
        self._epoch = None
        try:
            await self._store.release(self._address)
        except StoreError as error:  # then the lock fell with the connection
            _log.warning("lock not released", action="lease_release_failed", error=str(error))
