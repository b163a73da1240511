"""Two chains with everything on them, for the tests of this folder alone: they reorganise and count."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec
import pytest
from ethereum_chains import OPERATORS, Chains, network

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.rpc import RpcClient
from streams.devnet import anvil, contracts
from streams.devnet import stack as devnet
from streams.devnet.chain_client import DevAccounts, dev_accounts
from streams.devnet.contracts import Deployment

T = TypeVar("T")


@pytest.fixture(scope="session")
def accounts() -> DevAccounts:
    """Three operators: accounts 6 to 11 of the mnemonic, of which the node gives money to 6 to 9."""
    return dev_accounts(coprocessors=OPERATORS)


@pytest.fixture(scope="session")
def empty_chains(tmp_path_factory: pytest.TempPathFactory) -> Iterator[devnet.Stack]:
    state_dir = tmp_path_factory.mktemp("chains")
    yield _run(devnet.start(state_dir, (anvil.HOST.name, anvil.GATEWAY.name)))
    _run(devnet.remove(state_dir))


@pytest.fixture(scope="session")
def deployment(empty_chains: devnet.Stack, accounts: DevAccounts) -> Deployment:
    return _run(_deploy(empty_chains, accounts))


@pytest.fixture
async def chains(
    empty_chains: devnet.Stack, deployment: Deployment, accounts: DevAccounts
) -> AsyncIterator[Chains]:
    async with (
        RpcClient(empty_chains.host_http_url) as host,
        RpcClient(empty_chains.gateway_http_url) as gateway,
    ):
        at_host, at_gateway = EthereumChain(host), EthereumChain(gateway)
        yield Chains(at_host, at_gateway, deployment, accounts, empty_chains.host_ws_url)


async def _deploy(stack: devnet.Stack, accounts: DevAccounts) -> Deployment:
    async with RpcClient(stack.host_http_url) as host, RpcClient(stack.gateway_http_url) as gateway:
        for signer in accounts.coprocessor_senders:
            await gateway.call("anvil_setBalance", (f"0x{signer.address.hex()}", hex(10**21)), _ANY)
        return await contracts.deploy(
            EthereumChain(host), EthereumChain(gateway), owner=accounts.owner, network=network(accounts)
        )


_ANY: msgspec.json.Decoder[object] = msgspec.json.Decoder(object)


def _run(work: Coroutine[None, None, T]) -> T:
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()
