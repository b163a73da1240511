"""What lies on the chains is still there after the devnet was stopped and started again."""

from pathlib import Path

import pytest
from ethereum_chains import network

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.rpc import RpcClient
from streams.devnet import anvil, contracts
from streams.devnet import chain_client as client
from streams.devnet import stack as devnet

pytestmark = pytest.mark.stack

PARTS = (anvil.HOST.name, anvil.GATEWAY.name)


async def visit(state_dir: Path, *, amount: int) -> tuple[contracts.Deployment, int, bytes]:
    """Deploys or finds everything, mints, and tells what is there then."""
    stack = await devnet.start(state_dir, PARTS)
    accounts = client.dev_accounts()
    async with RpcClient(stack.host_http_url) as host, RpcClient(stack.gateway_http_url) as gateway:
        chain = EthereumChain(host)
        at = await contracts.deploy(
            chain, EthereumChain(gateway), owner=accounts.owner, network=network(accounts, threshold=1)
        )
        user = accounts.users[0].address
        if amount:
            await client.mint(client.Wallet(chain, accounts.owner), at.token, user, amount)
        return at, (await chain.head()).number, await client.balance_handle(chain, at.token, user)


async def test_a_restart_keeps_contracts_and_balances(tmp_path: Path) -> None:
    try:
        before = await visit(tmp_path, amount=5)
        await devnet.stop(tmp_path)
        assert await visit(tmp_path, amount=0) == before
        _, height, balance = await visit(tmp_path, amount=6)
    finally:
        await devnet.remove(tmp_path)
    assert height == before[1] + 1
    assert balance not in (bytes(32), before[2])
