"""Ties Faust's life to ours: its assignment makes and ends owners, its events go to them."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

import structlog

from streams.ports import Record
from streams.services.graph.engine import running
from streams.services.graph.faust_app import FaustFeed
from streams.services.graph.shards import Shards
from streams.services.runtime import Runtime

_ASSIGNMENT_S: Final = 0.5  # how soon an assignment without records has its owners

_log = structlog.get_logger(__name__)


class Host:
    """The graph service inside a Faust app."""

    def __init__(self, feed: FaustFeed) -> None:
        self._feed = feed
        self._stack = contextlib.AsyncExitStack()
        self._shards: asyncio.Future[Shards] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._is_rebalancing = False  # Faust still tells the assignment before it

    async def start(self, runtime: Runtime, on_failure: Callable[[BaseException], None]) -> None:
        """Connect, then follow the assignment; `on_failure` learns of what ends the service."""
        # Made before anything is awaited: Faust may hand over its first event while we connect, and it has
        # to wait.
        self._expect()
        shards = await self._stack.enter_async_context(running(runtime, self._feed))
        shards.failure.add_done_callback(
            lambda failed: None if failed.cancelled() else on_failure(_end_of(failed))
        )
        runtime.health.set("kafka", True)
        self._expect().set_result(shards)
        following = asyncio.create_task(self._follow_assignment(shards))
        # Without it a shard that is assigned has no owner, and nobody else misses it.
        following.add_done_callback(lambda done: None if done.cancelled() else shards.fail(_end_of(done)))
        self._tasks.append(following)

    async def stop(self) -> None:
        """End the owners after the turn that each is in, then let go of everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    async def offer(self, record: Record, ack: Callable[[], Any]) -> None:
        """Hand over an event; waits until its shard has an owner and room."""
        # shielded: one cancelled event must not cancel the future that all others wait for
        shards = await asyncio.shield(self._expect())
        await shards.offer(record.partition, record, ack)

    async def assigned(self) -> None:
        """A rebalance is over: what Faust has is ours, whoever fenced us before."""
        self._is_rebalancing = False
        future = self._expect()
        if future.done():
            future.result().forget_fences()
            await future.result().assign(self._feed.assigned())

    async def revoked(self) -> None:
        """A rebalance begins: finish what is under way and let go of all shards."""
        self._is_rebalancing = True
        future = self._expect()
        if future.done():
            # All shards and not only those that go: Faust tells the new assignment later, and a shard that
            # stays is claimed again then.
            await future.result().close()

    async def _follow_assignment(self, shards: Shards) -> None:
        """By a timer, because an idle partition brings no record to start its owner."""
        while True:
            if not self._is_rebalancing:
                await shards.assign(self._feed.assigned())
            await asyncio.sleep(_ASSIGNMENT_S)

    def _expect(self) -> asyncio.Future[Shards]:
        if self._shards is None:
            self._shards = asyncio.get_running_loop().create_future()
        return self._shards


def _end_of(ended: asyncio.Future[None]) -> BaseException:
    """Why something ended that never should."""
    return ended.exception() or RuntimeError("it ended")
