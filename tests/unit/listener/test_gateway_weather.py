"""A gateway listener and a node that lies, lags and refuses: tenants hear every event once, of its block."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fake_chain import FakeChain, a_log, ranges_of
from stormy_node import Refused, StormyNode, Told, stormy, wire

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.errors import WrongLogs
from streams.adapters.ethereum.rpc import RpcClient
from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.log import MemoryLog
from streams.adapters.telemetry.metrics import Metrics
from streams.domain.digest import event_topic
from streams.domain.errors import Recoverable
from streams.domain.facts import GATEWAY_TENANT, Log
from streams.services.listener.audit import AUDIT_S
from streams.services.listener.follower import Behind, TooDeep
from streams.services.listener.gateway import QUIET_S, GatewayFollower
from streams.services.listener.gateway_ends import fold
from streams.services.listener.gateway_routes import Router
from streams.services.listener.reading import Moved
from streams.settings import GatewaySettings

CONTRACT = bytes.fromhex("aa" * 20)
THRESHOLD = event_topic("UpdateCoprocessorThreshold(uint256)")
HEAD, LOGS = "eth_getBlockByNumber", "eth_getLogs"
TRIES = 100


def threshold(value: int) -> Log:
    return a_log(CONTRACT, value % 3, value.to_bytes(32, "big"), (THRESHOLD,))


class Rig:
    """A listener of a gateway in bad weather."""

    def __init__(self, node: StormyNode, rpc: RpcClient, log: MemoryLog) -> None:
        self.node, self.chain, self.log, self.clock = node, node.chain, log, FakeClock()
        self._rpc = rpc
        self.follower = self.listener()

    def listener(self, **said: Any) -> GatewayFollower:
        settings = GatewaySettings(input_verification_address="0x" + CONTRACT.hex(), start_block=4, **said)
        return GatewayFollower(
            EthereumChain(self._rpc), self.log, settings, Router({}), self.clock, Metrics()
        )

    async def follow(self) -> list[Recoverable]:
        """Step until the log ends at the head; what went wrong on the way."""
        errors: list[Recoverable] = []
        for _ in range(TRIES):
            await self.clock.advance(QUIET_S)
            try:
                await self.follower.step()
            except Recoverable as error:
                errors.append(error)
                continue
            found = ranges_of(self.log, GATEWAY_TENANT)
            if fold(found)[-1].hash == self.chain.branch[-1].hash:
                return errors
        raise AssertionError(f"not followed: {errors[-3:]}")

    def told(self) -> list[int]:
        """Values of the events, as readers count them: above the tip."""
        values, tip = list[int](), -1
        for found in ranges_of(self.log, GATEWAY_TENANT):
            values += [int.from_bytes(log.log.data, "big") for log in found.logs if log.block_number > tip]
            tip = max(tip, found.to_block)
        return values


@pytest.fixture
async def rig(log: MemoryLog) -> AsyncIterator[Rig]:
    async with (
        stormy(FakeChain(length=6)) as node,
        RpcClient(node.http_url, timeout_s=30.0, attempts=2, wait_first_s=0.0) as rpc,
    ):
        rig = Rig(node, rpc, log)
        await rig.follow()
        yield rig


def mine(rig: Rig, first: int, count: int) -> None:
    for value in range(first, first + count):
        rig.chain.mine(1, [threshold(value)])


def nothing(_true: list[dict[str, Any]], _params: list[Any]) -> list[dict[str, Any]]:
    return []


def of_another_block(true: list[dict[str, Any]], _params: list[Any]) -> list[dict[str, Any]]:
    return [{**log, "blockHash": "0x" + "77" * 32} for log in true]


@pytest.mark.parametrize("lie", [nothing, of_another_block], ids=["not indexed yet", "another block"])
@pytest.mark.parametrize("count", [1, 8], ids=["at the head", "behind"])
async def test_events_that_the_node_does_not_show_yet_are_waited_for(
    rig: Rig, lie: Callable[..., Any], count: int
) -> None:
    mine(rig, 1, count)
    rig.node.next[LOGS] = [Told(lie)] * 7
    errors = await rig.follow()
    assert errors
    assert {type(error) for error in errors} <= {WrongLogs, Moved}
    assert rig.told() == list(range(1, count + 1))


async def test_a_range_that_is_refused_is_read_in_halves(rig: Rig) -> None:
    mine(rig, 1, 60)

    def is_long(params: list[Any]) -> bool:
        query = params[0]
        return "toBlock" in query and int(query["toBlock"], 16) - int(query["fromBlock"], 16) > 6

    rig.node.always[LOGS] = Refused("block range too large", is_long)
    assert await rig.follow() == []
    assert rig.told() == list(range(1, 61))


async def test_a_head_that_goes_backwards_takes_nothing_back(rig: Rig) -> None:
    for first in (1, 6, 11):
        mine(rig, first, 5)
        await rig.follow()
    whole = rig.chain.branch[:]
    del rig.chain.branch[9:]
    await rig.clock.advance(AUDIT_S)
    for _ in range(3):
        await rig.follower.step()
    rig.chain.restore(whole[9:])
    mine(rig, 16, 1)
    await rig.follow()
    assert rig.told() == list(range(1, 17))


async def test_a_node_that_starts_over_is_waited_for(rig: Rig) -> None:
    mine(rig, 1, 3)
    await rig.follow()
    whole = rig.chain.branch[:]
    del rig.chain.branch[2:]
    await rig.clock.advance(AUDIT_S)
    with pytest.raises(Behind, match="has not come to 3"):
        await rig.follower.step()
    rig.chain.restore(whole[2:])
    mine(rig, 4, 1)
    await rig.follow()
    assert rig.told() == [1, 2, 3, 4]


async def test_a_gateway_of_another_history_ends_the_process(rig: Rig) -> None:
    rig.follower = rig.listener(reorg_ranges_max=2)
    for value in range(3):
        mine(rig, value, 1)
        await rig.follow()
    rig.chain.drop(7)
    rig.chain.mine(20)
    with pytest.raises(TooDeep, match=r"raise gateway\.reorg_ranges_max"):
        await rig.follow()


async def test_the_bound_on_reorganisations_is_the_one_that_is_set(rig: Rig) -> None:
    for at in range(12):
        mine(rig, at, 1)
        await rig.follow()
    rig.chain.drop(6)
    mine(rig, 20, 8)
    with pytest.raises(TooDeep, match="last 5 ends"):
        await rig.listener(reorg_ranges_max=4).step()
    rig.follower = rig.listener(reorg_ranges_max=8)
    await rig.follow()


async def test_an_end_that_was_announced_and_never_came_is_nothing(rig: Rig) -> None:
    mine(rig, 1, 4)
    ghost = wire(rig.chain.branch[-1])
    rig.chain.drop(3)
    rig.node.next[HEAD] = [Told(lambda true, params: ghost if params[0] == "latest" else true)] * 3
    with contextlib.suppress(Moved):
        await rig.follower.step()
    mine(rig, 5, 6)
    await rig.follow()
    assert rig.told() == [1, *range(5, 11)]


async def test_a_deep_reorganisation_brings_requests_into_other_blocks(rig: Rig) -> None:
    for first in range(1, 41, 4):
        mine(rig, first, 4)
        await rig.follow()
    rig.chain.drop(38)
    mine(rig, 3, 45)
    await rig.follow()
    await rig.follow()
    ends = fold(ranges_of(rig.log, GATEWAY_TENANT))
    assert all(rig.chain.branch[end.number].hash == end.hash for end in ends)
    *_, again, _last = [found for found in ranges_of(rig.log, GATEWAY_TENANT) if found.logs]
    assert all(log.block_hash == rig.chain.branch[log.block_number].hash for log in again.logs)
