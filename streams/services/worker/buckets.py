"""Whether the buckets are there, for `/healthz`: asked now and then, so that health itself asks nobody."""

import asyncio
from collections.abc import Collection
from typing import Final

import structlog

from streams.domain.errors import BlobError
from streams.ports import Blobs, Clock
from streams.services.worker.pool import OnState

ANSWER_S: Final = 5.0  # a bucket that takes longer is not ready
_ASK_S: Final = 10.0

_log = structlog.get_logger(__name__)


class Readiness:
    """Asks for each bucket and says whether all are ready."""

    def __init__(self, blobs: Blobs, buckets: Collection[str], clock: Clock, on_state: OnState) -> None:
        self._blobs = blobs
        self._buckets = tuple(dict.fromkeys(buckets))
        self._clock = clock
        self._on_state = on_state
        self._unheard = set(self._buckets)  # nothing is known about them yet
        self._away: dict[str, str] = {}  # why, by bucket

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(_ASK_S)

    async def look(self) -> None:
        """Ask for all of them at once; what has not answered after ANSWER_S is told before it does."""
        async with asyncio.TaskGroup() as group:
            for bucket in self._buckets:
                group.create_task(self._ask(bucket))

    async def _ask(self, bucket: str) -> None:
        async with asyncio.TaskGroup() as group:
            late = group.create_task(self._complain(bucket))
            try:
                await self._blobs.check(bucket)
                self._tell(bucket, "")
            except BlobError as error:
                self._tell(bucket, str(error))
            finally:
                late.cancel()

    async def _complain(self, bucket: str) -> None:
        await self._clock.sleep(ANSWER_S)
        self._tell(bucket, f"no answer within {ANSWER_S:g} s")

    def _tell(self, bucket: str, reason: str) -> None:
        if reason and bucket not in self._away:
            _log.warning("bucket is away", action="bucket_away", bucket=bucket, reason=reason)
        self._away.pop(bucket, None)
        self._unheard.discard(bucket)
        if reason:
            self._away[bucket] = reason
        if self._unheard and not self._away:
            return  # not all are known to be ready
        self._on_state(not self._away, "; ".join(f"{name}: {why}" for name, why in self._away.items()))
