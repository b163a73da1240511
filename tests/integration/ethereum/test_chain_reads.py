"""Heads, logs and transactions of a real node, reorganisations included."""

import asyncio
from contextlib import aclosing

import msgspec
import pytest
from ethereum_chains import Chains

from streams.adapters.ethereum.chain import ANYTHING, Head
from streams.adapters.ethereum.errors import BlockUnknown, RpcRefused
from streams.adapters.ethereum.heads import HeadSource
from streams.adapters.ethereum.rpc import RpcClient
from streams.adapters.ethereum.signer import Transaction
from streams.adapters.system import SystemClock
from streams.devnet import chain_client as client
from streams.domain.errors import RpcError

pytestmark = pytest.mark.stack

TEXT = msgspec.json.Decoder(str)


async def mine(chains: Chains) -> Head:
    await chains.host.rpc.call("anvil_mine", ("0x1",), ANYTHING)
    return await chains.host.head()


def heads_of(chains: Chains) -> HeadSource:
    return HeadSource(chains.host, chains.host_ws_url, clock=SystemClock())


async def test_heads_follow_the_chain_and_its_reorganisation(chains: Chains) -> None:
    async with aclosing(heads_of(chains).heads()) as stream, asyncio.timeout(20):
        assert await anext(stream) == await chains.host.head()
        mined = await mine(chains)
        announced = await anext(stream)
        assert announced == mined
        await chains.host.rpc.call("anvil_reorg", (1, []), ANYTHING)
        replaced = await anext(stream)
        assert replaced.number == mined.number
        assert replaced.hash != mined.hash
        assert replaced.parent_hash == mined.parent_hash


async def test_an_orphan_is_gone_by_hash(chains: Chains) -> None:
    orphan = await mine(chains)
    assert await chains.host.block_by_hash(orphan.hash) == orphan
    await chains.host.rpc.call("anvil_reorg", (1, []), ANYTHING)
    assert await chains.host.block_by_hash(orphan.hash) is None
    with pytest.raises(BlockUnknown):
        await chains.host.logs_of_block(orphan.hash)


async def test_logs_of_a_block_are_those_of_its_receipts(chains: Chains) -> None:
    receipt = await client.mint(
        chains.owner_on(chains.host), chains.at.token, chains.accounts.users[0].address, 3
    )
    assert await chains.host.logs_of_block(receipt.block_hash) == receipt.logs
    acl_only = await chains.host.logs_of_block(receipt.block_hash, [chains.at.acl])
    assert acl_only == tuple(log for log in receipt.logs if log.address == chains.at.acl)
    ranged = await chains.host.logs_in_range(receipt.block_number, receipt.block_number, [chains.at.acl])
    assert tuple(item.log for item in ranged) == acl_only
    assert {item.block_hash for item in ranged} == {receipt.block_hash}


async def test_blocks_connect_by_their_parents(chains: Chains) -> None:
    head = await mine(chains)
    before, same, beyond = await chains.host.blocks([head.number - 1, head.number, head.number + 1000])
    assert same == head
    assert before is not None
    assert before.hash == head.parent_hash
    assert beyond is None


async def test_many_transactions_of_one_wallet_get_nonces_without_a_gap(chains: Chains) -> None:
    owner = chains.owner_on(chains.host)
    first = await chains.host.nonce(owner.address)
    user = chains.accounts.users[2].address
    await asyncio.gather(*(client.mint(owner, chains.at.token, user, n + 1) for n in range(5)))
    assert await chains.host.nonce(owner.address, "latest") == first + 5


async def test_a_nonce_taken_elsewhere_is_asked_for_again(chains: Chains) -> None:
    user = chains.accounts.users[2].address
    one, other = chains.owner_on(chains.host), chains.owner_on(chains.host)
    await client.mint(one, chains.at.token, user, 1)
    await client.mint(other, chains.at.token, user, 2)
    with pytest.raises(RpcRefused, match="nonce too low"):
        await client.mint(one, chains.at.token, user, 3)
    assert (await client.mint(one, chains.at.token, user, 3)).is_success


async def test_the_node_takes_what_the_signer_signs(chains: Chains) -> None:
    relayer = chains.accounts.relayer
    price = await chains.host.gas_price()
    signed = relayer.sign_transaction(
        Transaction(
            chain_id=chains.at.host_chain_id,
            nonce=await chains.host.nonce(relayer.address),
            gas=21_000,
            max_fee_per_gas=2 * price,
            max_priority_fee_per_gas=1,
            to=chains.accounts.kms.address,
            data=b"",
            value=1,
        )
    )
    assert await chains.host.send_raw(signed.raw) == signed.hash
    receipt = await client.poll(lambda: chains.host.receipt(signed.hash), timeout_s=10)
    assert (receipt.transaction_hash, receipt.gas_used) == (signed.hash, 21_000)


async def test_a_node_that_is_not_there_is_recoverable() -> None:
    async with RpcClient("http://127.0.0.1:9", attempts=2, wait_first_s=0.0) as rpc:
        with pytest.raises(RpcError):
            await rpc.call("eth_chainId", (), TEXT)


async def test_waiting_has_an_end() -> None:
    async def never() -> None:
        return None

    with pytest.raises(RpcError, match="no answer of the chain"):
        await client.poll(never, timeout_s=0.01)
