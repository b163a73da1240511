"""A gateway of our own with its contracts, and per test a fresh schema and fresh topics."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from sender_process import OPERATORS, Bench, Gateway, prepared

from streams.adapters.ethereum.chain import ANYTHING, EthereumChain
from streams.adapters.ethereum.rpc import RpcClient
from streams.devnet import anvil, contracts, up
from streams.devnet import stack as devnet
from streams.devnet.chain_client import dev_accounts
from streams.domain.events import Coprocessor
from streams.settings import PostgresSettings

T = TypeVar("T")


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    state_dir = tmp_path_factory.mktemp("gateway")
    chains = _run(devnet.start(state_dir, (anvil.HOST.name, anvil.GATEWAY.name)))
    yield _run(_deployed(chains))
    _run(devnet.remove(state_dir))


async def _deployed(chains: devnet.Stack) -> Gateway:
    accounts = dev_accounts(coprocessors=OPERATORS)
    pairs = zip(accounts.coprocessor_senders, accounts.coprocessor_signers, strict=True)
    network = contracts.Network(
        coprocessors=tuple(
            Coprocessor(ours.address, votes.address, "http://bucket") for ours, votes in pairs
        ),
        threshold=1,
        kms_signer=accounts.kms.address,
    )
    async with RpcClient(chains.host_http_url) as host, RpcClient(chains.gateway_http_url) as gateway:
        for sender in accounts.coprocessor_senders:
            await gateway.call("anvil_setBalance", (f"0x{sender.address.hex()}", hex(10**21)), ANYTHING)
        at = await contracts.deploy(
            EthereumChain(host), EthereumChain(gateway), owner=accounts.owner, network=network
        )
    return Gateway(chains.gateway_http_url, at, accounts)


@pytest.fixture
async def postgres(stack: devnet.Stack) -> PostgresSettings:
    return await _schema(stack)


async def _schema(stack: devnet.Stack) -> PostgresSettings:
    """Tables as the sender's own role sees them."""
    schema = f"t_{secrets.token_hex(6)}"
    await up.make_tables(stack.postgres_url, schema)
    return PostgresSettings(url=stack.postgres_sender_url, schema=schema)


@pytest.fixture
async def new_bench(
    stack: devnet.Stack, gateway: Gateway, tmp_path: Path
) -> AsyncIterator[Callable[[int], Awaitable[Bench]]]:
    """Makes a deployment of its own per operator: they share no nonces, so they run side by side."""
    opened: list[Bench] = []
    async with RpcClient(gateway.url) as rpc:

        async def make(operator: int) -> Bench:
            folder = tmp_path / f"{operator}"
            folder.mkdir()
            made = await prepared(stack, gateway, await _schema(stack), EthereumChain(rpc), folder, operator)
            opened.append(made)
            return made

        yield make
        for made in opened:
            await made.log.close()


@pytest.fixture
async def idle_chain(gateway: Gateway) -> AsyncIterator[RpcClient]:
    """The gateway's node mines only when it is told to."""
    async with RpcClient(gateway.url) as rpc:
        await rpc.call("evm_setAutomine", (False,), ANYTHING)
        yield rpc
        await rpc.call("anvil_setNextBlockBaseFeePerGas", (hex(10**9),), ANYTHING)
        await rpc.call("anvil_mine", ("0x1",), ANYTHING)
        await rpc.call("evm_setAutomine", (True,), ANYTHING)


@pytest.fixture
async def bench(new_bench: Callable[[int], Awaitable[Bench]]) -> Bench:
    return await new_bench(0)


def _run(work: Coroutine[None, None, T]) -> T:
    """Runs on a loop in a thread of its own: the loops of the tests belong to pytest-asyncio."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()
