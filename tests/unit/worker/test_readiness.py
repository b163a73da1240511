"""Buckets are asked for, and one that is silent for five seconds is not ready."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streams.adapters.memory.blobs import MemoryBlobs
from streams.adapters.memory.clock import FakeClock
from streams.domain.errors import BlobError
from streams.services.worker.buckets import ANSWER_S, Readiness


class Gates(MemoryBlobs):
    """Answers when it is let, or says that a bucket is missing."""

    def __init__(self) -> None:
        super().__init__()
        self.missing: set[str] = set()
        self.open = asyncio.Event()
        self.open.set()
        self.quick: set[str] = set()  # they answer at once
        self.asked: list[str] = []

    async def check(self, bucket: str) -> None:
        self.asked.append(bucket)
        if bucket not in self.quick:
            await self.open.wait()
        if bucket in self.missing:
            raise BlobError("not found")


class Watch:
    """A readiness with what it said last."""

    def __init__(self, *buckets: str) -> None:
        self.blobs = Gates()
        self.clock = FakeClock()
        self.said: tuple[bool, str] | None = None
        self.readiness = Readiness(self.blobs, buckets, self.clock, self._hear)

    def _hear(self, is_ok: bool, detail: str) -> None:
        self.said = (is_ok, detail)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        running = asyncio.create_task(self.readiness.run())
        await self.clock.advance(0)
        yield
        running.cancel()


async def test_buckets_that_are_there_are_ready_and_each_is_asked_for_once() -> None:
    watch = Watch("a", "a")
    async with watch.running():
        assert watch.said == (True, "")
        assert watch.blobs.asked == ["a"]


async def test_a_bucket_that_is_missing_is_named_until_it_is_there() -> None:
    watch = Watch("a", "b")
    watch.blobs.missing.add("b")
    async with watch.running():
        assert watch.said == (False, "b: not found")
        watch.blobs.missing.clear()
        await watch.clock.advance(10)
        assert watch.said == (True, "")


async def test_one_bucket_that_is_there_says_nothing_about_the_other() -> None:
    watch = Watch("a", "b")
    watch.blobs.open.clear()
    watch.blobs.quick.add("a")
    async with watch.running():
        assert watch.said is None
        watch.blobs.open.set()
        await watch.clock.advance(0)
        assert watch.said == (True, "")


async def test_a_silent_store_is_not_ready_after_five_seconds_and_not_asked_again() -> None:
    watch = Watch("a")
    watch.blobs.open.clear()
    async with watch.running():
        await watch.clock.advance(ANSWER_S - 0.1)
        assert watch.said is None
        await watch.clock.advance(0.1)
        assert watch.said == (False, "a: no answer within 5 s")
        await watch.clock.advance(60)
        assert watch.blobs.asked == ["a"]
        watch.blobs.open.set()
        await watch.clock.advance(0)
        assert watch.said == (True, "")
