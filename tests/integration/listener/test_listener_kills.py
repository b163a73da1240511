"""Listeners as processes on the real broker, ended by SIGKILL between any two steps."""

import asyncio
import hashlib
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from chain_tools import THRESHOLD_TOPIC, emit, mined, place_emitter
from eth_abi.abi import encode
from listener_process import ACL, GATEWAY, KEYS, listener, settings_file
from log_tools import assert_canonical, blocks, facts_in, host_settings, ranges

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.kafka.log import KafkaLog
from streams.devnet import stack as devnet
from streams.domain.control import KeySetAnnouncement
from streams.domain.digest import event_topic
from streams.domain.facts import GATEWAY_TENANT, KeyActivated
from streams.services.listener.gateway_ends import fold
from streams.services.listener.host import tenant_of
from streams.services.listener.key_facts import announced
from streams.settings import KafkaSettings

pytestmark = pytest.mark.stack
PATIENCE_S = 240  # of a machine that does other things as well
LOOK_S = 0.2
KEY_ID, KEYSET = b"\4" + bytes(30) + b"\1", b"CLRK" + bytes(60)
LARGE_BYTES = 400_000  # more than one record holds
HOST_POINTS = ("read", "between_parts", "produced", "acknowledged")
GATEWAY_POINTS = ("read", "between_parts", "produced", "acknowledged")
KEY_POINTS = ("downloaded", "announced", "produced", "acknowledged", "between_tenants")
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
    await place_emitter(gateway_node, GATEWAY, THRESHOLD_TOPIC, LARGE_BYTES)
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


async def test_a_gateway_of_another_release_ends_the_listener_by_name(
    gateway_node: EthereumChain, chains: devnet.Stack, kafka: KafkaSettings, tmp_path: Path
) -> None:
    foreign = "InputVerification v0.7.0"
    start = (await mined(gateway_node, 2)).number
    await place_emitter(gateway_node, GATEWAY, THRESHOLD_TOPIC, 32, version=foreign)
    settings = settings_file(chains, kafka, tmp_path, start)
    with (tmp_path / "log").open("wb") as log:
        async with listener("gw_listener", settings, "", log) as process:
            assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 1
    last = json.loads((tmp_path / "log").read_text().splitlines()[-1])
    assert (last["action"], last["error"]) == ("fatal", "ForeignRelease")
    assert foreign in last["event"]


@pytest.fixture
async def storage() -> AsyncIterator[str]:
    """URL of a public storage with one key set."""

    async def keyset(request: web.Request) -> web.Response:
        return web.Response(body=KEYSET)

    app = web.Application()
    app.add_routes([web.get(f"/PUB/CompressedXofKeySet/{KEY_ID.hex()}", keyset)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_every_tenant_is_told_of_a_key_after_a_kill_between_any_two_steps(
    node: EthereumChain, chains: devnet.Stack, new_kafka: NewKafka, tmp_path: Path, storage: str
) -> None:
    start = (await mined(node, 1)).number
    digest = hashlib.shake_256(b"PDAT_KEY" + KEYSET).digest(32)
    types = ["uint256", "string[]", "(uint8,bytes)[]"]
    data = encode(types, [int.from_bytes(KEY_ID, "big"), [storage], [(3, digest)]])
    topic = event_topic("ActivateKey(uint256,string[],(uint8,bytes)[])")
    await place_emitter(node, KEYS, topic, len(data), data)
    await emit(node, KEYS)
    await mined(node, 4)
    tenants = (tenant_of(host_settings(chains, start)), GATEWAY_TENANT)

    async def one(point: str) -> None:
        kafka = new_kafka()
        folder = tmp_path / point
        folder.mkdir()
        log = KafkaLog(kafka)

        async def is_done() -> bool:
            told = [[fact async for fact in facts_in(log, tenant)] for tenant in tenants]
            return all(any(isinstance(fact, KeyActivated) for fact in found) for found in told)

        settings = settings_file(chains, kafka, folder, start)
        await killed_and_restarted("host_listener", settings, f"keys.{point}", is_done)
        (announcement,) = await announced(log)
        assert isinstance(announcement, KeySetAnnouncement)
        assert (announcement.key_id, announcement.digest, announcement.engine) == (KEY_ID, digest, "clear")
        await log.close()

    await asyncio.gather(*map(one, KEY_POINTS))
