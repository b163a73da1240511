"""One host-listener process on two nodes: each chain in its tenant's log, whatever a third node does."""

import asyncio
import signal
from pathlib import Path

import pytest
from chain_tools import mined
from listener_process import ACL, EXECUTOR, listener, settings_file
from log_tools import assert_canonical, blocks

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.kafka.log import KafkaLog
from streams.devnet import stack as devnet
from streams.domain.facts import host_tenant
from streams.settings import KafkaSettings

pytestmark = pytest.mark.stack
PATIENCE_S = 90
LOOK_S = 0.2
NOBODY = 999  # a chain whose node is away


def another(chain_id: int, url: str, start_block: int) -> str:
    return (
        f'[[host_chain]]\nid = {chain_id}\nhttp_url = "{url}"\nstart_block = {start_block}\n'
        f'acl_address = "0x{ACL.hex()}"\nexecutor_address = "0x{EXECUTOR.hex()}"\n'
    )


async def test_both_chains_are_followed_while_a_third_is_away(
    node: EthereumChain,
    gateway_node: EthereumChain,
    chains: devnet.Stack,
    kafka: KafkaSettings,
    log: KafkaLog,
    tmp_path: Path,
) -> None:
    nodes = {chains.host_chain_id: node, chains.gateway_chain_id: gateway_node}
    start = min([(await mined(each, 1)).number for each in nodes.values()])
    settings = settings_file(chains, kafka, tmp_path, start)
    more = another(chains.gateway_chain_id, chains.gateway_http_url, start)
    settings.write_text(settings.read_text() + more + another(NOBODY, "http://127.0.0.1:1", 0))
    heads = {host_tenant(chain_id, ACL): (each, await mined(each, 3)) for chain_id, each in nodes.items()}
    async with listener("host_listener", settings, "") as process, asyncio.timeout(PATIENCE_S):
        for tenant, (_, head) in heads.items():
            while all(block.hash != head.hash for block in await blocks(log, tenant)):
                assert process.returncode is None
                await asyncio.wait([asyncio.ensure_future(process.wait())], timeout=LOOK_S)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    for tenant, (each, _) in heads.items():
        found = await assert_canonical(log, each, tenant)
        assert {block.chain_id for block in found} == {int(tenant.partition(".")[0])}
    assert await blocks(log, host_tenant(NOBODY, ACL)) == []
