"""The service goes on when its subscription is dropped, silent or never there: heads are only hints."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from fake_chain import FakeChain, blocks_of
from stormy_node import StormyNode, stormy

from streams.adapters.memory.log import MemoryLog
from streams.services.host_listener import follow
from streams.services.listener.host import tenant_of
from streams.services.listener.repeat import Troubles
from streams.services.runtime import Runtime
from streams.settings import HostChainSettings, Settings

UNTIL_S = 60.0
_LOOK_S = 0.01


class Rig:
    """The service of one chain, running."""

    def __init__(self, node: StormyNode, log: MemoryLog, host: HostChainSettings) -> None:
        self.node, self.chain, self.log, self.host = node, node.chain, log, host

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(UNTIL_S):
            while True:
                if condition():
                    return
                await asyncio.sleep(_LOOK_S)

    async def until_told(self) -> None:
        newest = self.chain.branch[-1].hash
        tenant = tenant_of(self.host)
        await self.until(lambda: any(block.hash == newest for block in blocks_of(self.log, tenant)))


@pytest.fixture
async def rig(log: MemoryLog, host: HostChainSettings) -> AsyncIterator[Rig]:
    runtime = Runtime(name="host-listener", settings=Settings())
    async with stormy(FakeChain(length=4)) as node, asyncio.TaskGroup() as group:
        host = host.model_copy(update={"http_url": node.http_url, "ws_url": node.ws_url})
        group.create_task(follow(runtime, log, host, Troubles(runtime.health)))
        rig = Rig(node, log, host)
        await rig.until_told()
        yield rig
        runtime.stopping.set()


async def test_announced_blocks_are_told(rig: Rig) -> None:
    await rig.until(lambda: bool(rig.node.sockets))
    for _ in range(3):
        rig.chain.mine(1)
        await rig.node.announce()
        await rig.until_told()


async def test_a_dropped_subscription_and_a_silent_one_lose_nothing(rig: Rig) -> None:
    await rig.until(lambda: bool(rig.node.sockets))
    rig.node.is_mute = True
    rig.chain.mine(2)
    await rig.node.announce()
    await rig.until_told()
    await rig.node.hang_up()
    rig.chain.drop(1)
    rig.chain.mine(3)
    await rig.until_told()
