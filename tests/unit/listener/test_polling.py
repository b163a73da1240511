"""How often a chain is looked at when nothing is announced, and at once when something is."""

import asyncio

from fake_chain import FakeChain
from stormy_node import stormy

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.rpc import RpcClient
from streams.adapters.memory.clock import FakeClock
from streams.adapters.system import SystemClock
from streams.services.listener.waiting import announcements, head_or_poll
from streams.services.runtime import Runtime
from streams.settings import Settings

UNTIL_S = 60.0


async def waiting(clock: FakeClock, announced: asyncio.Event) -> asyncio.Task[None]:
    runtime = Runtime(name="host-listener", settings=Settings(), clock=clock)
    task = asyncio.create_task(head_or_poll(runtime, 3.0, announced))
    await clock.advance(0)
    return task


async def test_without_a_word_it_looks_after_the_interval(clock: FakeClock) -> None:
    task = await waiting(clock, asyncio.Event())
    await clock.advance(2.9)
    assert not task.done()
    await clock.advance(0.2)
    await task


async def test_an_announced_head_is_not_waited_out(clock: FakeClock) -> None:
    announced = asyncio.Event()
    task = await waiting(clock, announced)
    announced.set()
    await task
    assert not announced.is_set()
    assert clock.sleepers == 0


async def test_heads_of_a_node_are_announced_and_without_a_url_there_are_none() -> None:
    async with stormy(FakeChain(length=4)) as node, RpcClient(node.http_url) as rpc:
        chain = EthereumChain(rpc)
        async with announcements(chain, node.ws_url, SystemClock()) as announced:
            async with asyncio.timeout(UNTIL_S):
                await announced.wait()
        async with announcements(chain, "", SystemClock()) as announced:
            await asyncio.sleep(0)
            assert not announced.is_set()
