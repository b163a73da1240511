"""Waiting for a chain to go on: until a head is announced, or it is time to look anyway."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Literal

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.heads import HeadSource
from streams.ports import Clock
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
    waits = [asyncio.ensure_future(event.wait()) for event in (announced, runtime.stopping)]
    waits.append(asyncio.ensure_future(_slept(runtime.clock, poll_s)))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    announced.clear()


async def _hear(chain: EthereumChain, ws_url: str, clock: Clock, announced: asyncio.Event) -> None:
    if not ws_url:
        return
    async with contextlib.aclosing(HeadSource(chain, ws_url, clock=clock).heads()) as heads:
        async for _ in heads:
            announced.set()


async def _slept(clock: Clock, seconds: float) -> Literal[True]:
    await clock.sleep(seconds)
    return True
