"""Listeners as processes on the real broker, ended by SIGKILL between any two steps."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from chain_tools import THRESHOLD_TOPIC, emit, mined, place_emitter
from listener_process import ACL, GATEWAY, listener, settings_file
from log_tools import assert_canonical, blocks, host_settings, ranges

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.kafka.log import KafkaLog
from streams.devnet import stack as devnet
from streams.domain.facts import GATEWAY_TENANT
from streams.services.listener.gateway_ends import fold
from streams.services.listener.host import tenant_of
from streams.settings import KafkaSettings

pytestmark = pytest.mark.stack
PATIENCE_S = 240  # of a machine that does other things as well
LOOK_S = 0.2
LARGE_BYTES = 400_000  # more than one record holds
HOST_POINTS = ("read", "between_parts", "produced", "acknowledged")
GATEWAY_POINTS = ("read", "produced", "acknowledged")
NewKafka = Callable[[], KafkaSettings]


async def killed_and_restarted(
    service: str, settings: Path, point: str, is_done: Callable[[], Awaitable[bool]]
) -> None:
    async with listener(service, settings, point) as killed:
        assert await asyncio.wait_for(killed.wait(), PATIENCE_S) == -signal.SIGKILL, point
    async with listener(service, settings, point) as process, asyncio.timeout(PATIENCE_S):
        while not await is_done():
            assert process.returncode is None, point
            await asyncio.wait([asyncio.ensure_future(process.wait())], timeout=LOOK_S)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0, point


async def test_every_block_is_in_the_log_after_a_kill_between_any_two_steps(
    node: EthereumChain, chains: devnet.Stack, new_kafka: NewKafka, tmp_path: Path
) -> None:
    start = (await mined(node, 1)).number
    await place_emitter(node, ACL, THRESHOLD_TOPIC, LARGE_BYTES)
    await emit(node, ACL)
    head = await mined(node, 5)
    tenant = tenant_of(host_settings(chains, start))

    async def one(point: str) -> None:
        kafka = new_kafka()
        folder = tmp_path / point
        folder.mkdir()
        log = KafkaLog(kafka)

        async def is_done() -> bool:
            return any(block.hash == head.hash for block in await blocks(log, tenant))

        settings = settings_file(chains, kafka, folder, start)
        await killed_and_restarted("host_listener", settings, f"listener.{point}", is_done)
        found = await assert_canonical(log, node, tenant)
        assert sum(len(block.logs) for block in found if block.number == start + 1) >= 1
        await log.close()

    await asyncio.gather(*map(one, HOST_POINTS))


async def test_every_gateway_event_is_in_the_log_after_a_kill_between_any_two_steps(
    gateway_node: EthereumChain, chains: devnet.Stack, new_kafka: NewKafka, tmp_path: Path
) -> None:
    start = (await mined(gateway_node, 2)).number
    await place_emitter(gateway_node, GATEWAY, THRESHOLD_TOPIC, 32)
    for _ in range(3):
        head = await emit(gateway_node, GATEWAY)

    async def one(point: str) -> None:
        kafka = new_kafka()
        folder = tmp_path / point
        folder.mkdir()
        log = KafkaLog(kafka)

        async def is_done() -> bool:
            return any(found.to_hash == head.hash for found in await ranges(log, GATEWAY_TENANT))

        settings = settings_file(chains, kafka, folder, start)
        await killed_and_restarted("gw_listener", settings, f"gateway.{point}", is_done)
        found = await ranges(log, GATEWAY_TENANT)
        assert fold(found)[0].number == start - 1
        assert {entry.block_hash for found in found for entry in found.logs} == {
            block.hash for block in await gateway_node.blocks(range(start + 1, start + 4)) if block
        }
        await log.close()

    await asyncio.gather(*map(one, GATEWAY_POINTS))
