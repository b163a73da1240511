"""Waiting for a chain to go on: until a head is announced, or it is time to look anyway."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.heads import HeadSource
from streams.ports import Clock
from streams.services.first import first_of
from streams.services.runtime import Runtime


@contextlib.asynccontextmanager
async def announcements(chain: EthereumChain, ws_url: str, clock: Clock) -> AsyncGenerator[asyncio.Event]:
    """An event that is set with every head that the node announces; never without a URL."""
    announced = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        heads = group.create_task(_hear(chain, ws_url, clock, announced))
        yield announced
        heads.cancel()


async def head_or_poll(runtime: Runtime, poll_s: float, announced: asyncio.Event) -> None:
    """Wait for an announced head, the time to look anyway, or the word to stop."""
    await first_of(announced.wait(), runtime.stopping.wait(), runtime.clock.sleep(poll_s))
    announced.clear()


async def _hear(chain: EthereumChain, ws_url: str, clock: Clock, announced: asyncio.Event) -> None:
    if not ws_url:
        return
    async with contextlib.aclosing(HeadSource(chain, ws_url, clock=clock).heads()) as heads:
        async for _ in heads:
            announced.set()
