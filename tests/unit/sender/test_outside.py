"""The sender's health is that of now: what went away shows, and what came back shows too."""

import asyncio

import pytest

from streams.adapters.ethereum import abi
from streams.adapters.memory.clock import FakeClock
from streams.adapters.telemetry.health import Health
from streams.domain.errors import ConfigurationError, ForeignRelease, RpcError, StoreError
from streams.services.sender.outside import LOOK_S, Outside
from streams.settings import GatewaySettings

CHAIN = 54321
GATEWAY = GatewaySettings(chain_id=CHAIN, ciphertext_commits_address="0x" + "bb" * 20)


class World:
    """A node and a table that can go away."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.chain = CHAIN
        self.version = "CiphertextCommits v0.6.0"

    async def view(self, address: bytes, called: abi.Function, *arguments: object) -> tuple[object, ...]:
        return (self.version,)

    async def chain_id(self) -> int:
        if isinstance(self.trouble, RpcError):
            raise self.trouble
        return self.chain

    async def check(self) -> None:
        if isinstance(self.trouble, StoreError):
            raise self.trouble


@pytest.mark.parametrize(("trouble", "name"), [(RpcError(), "blockchain"), (StoreError(), "database")])
async def test_what_goes_away_and_comes_back_shows(trouble: Exception, name: str) -> None:
    world, health, clock = World(), Health(), FakeClock()
    outside = Outside(world, world, GATEWAY, health)
    assert await outside.look()
    watching = asyncio.ensure_future(outside.watch(clock))
    world.trouble = trouble
    await clock.advance(LOOK_S)
    report = health.snapshot()
    assert (report.status_code, report.dependencies[name]) == (503, "fail")
    world.trouble = None
    await clock.advance(LOOK_S)
    assert health.snapshot().status_code == 200
    watching.cancel()


async def test_both_are_told_when_both_are_asked() -> None:
    world, health = World(), Health()
    world.trouble = StoreError()
    assert not await Outside(world, world, GATEWAY, health).look()
    assert health.snapshot().dependencies == {"database": "fail", "blockchain": "ok"}


async def test_a_node_of_another_chain_is_refused() -> None:
    world = World()
    world.chain = 7
    with pytest.raises(ConfigurationError, match="chain 7"):
        await Outside(world, world, GATEWAY, Health()).look()


async def test_a_gateway_that_was_upgraded_ends_the_watch() -> None:
    world, clock = World(), FakeClock()
    outside = Outside(world, world, GATEWAY, Health())
    assert await outside.look()
    watching = asyncio.ensure_future(outside.watch(clock))
    world.version = "CiphertextCommits v0.7.0"
    await clock.advance(LOOK_S)
    with pytest.raises(ForeignRelease, match=r"CiphertextCommits v0\.7\.0"):
        await watching
