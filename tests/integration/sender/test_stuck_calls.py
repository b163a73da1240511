"""A chain that leaves our calls out: fees are raised, and stopping and starting changes nothing."""

import asyncio
import signal

import pytest
from sender_process import Bench, Gateway, commit_work

from streams.adapters.ethereum.chain import ANYTHING
from streams.adapters.ethereum.rpc import RpcClient
from streams.domain.results import Failed, Sent

pytestmark = pytest.mark.stack
PATIENCE_S = 240  # of a machine that does other things as well


async def mine(chain: RpcClient, base_fee: int) -> None:
    """One block at that price."""
    await chain.call("anvil_setNextBlockBaseFeePerGas", (hex(base_fee),), ANYTHING)
    await chain.call("anvil_mine", ("0x1",), ANYTHING)


async def test_fees_are_raised_while_blocks_are_dearer_than_the_call_and_it_is_mined_once(
    bench: Bench, idle_chain: RpcClient
) -> None:
    bench.add_settings("replace_after_blocks = 2")
    work = commit_work(bench.gateway.at.host_chain_id, 1)
    await bench.send(work)
    async with asyncio.timeout(PATIENCE_S), bench.sender():
        (first,) = await bench.rows_until(bool)
        dear = 2 * int(first["max_fee"])
        while not (await bench.rows())[0]["earlier"]:
            await mine(idle_chain, dear)
        (raised,) = await bench.rows()
        assert raised["max_fee"] * 1000 >= first["max_fee"] * 1125
        assert raised["priority_fee"] * 1000 >= first["priority_fee"] * 1125
        assert first["hash"] in raised["earlier"]
        sending = asyncio.create_task(bench.result_of("t", Sent))
        while not sending.done():
            await mine(idle_chain, dear)
            await asyncio.wait((sending,), timeout=0.2)
        sent = await sending
    (row,) = await bench.rows()
    assert isinstance(sent, Sent)
    assert (row["nonce"], row["state"]) == (first["nonce"], "confirmed")
    assert sent.transaction_hash == row["transaction_hash"] != first["hash"]
    assert await bench.commits(work.call.handle) == 1


async def test_a_commit_that_a_reorganisation_took_with_its_nonce_is_made_again(
    bench: Bench, gateway: Gateway
) -> None:
    work = commit_work(bench.gateway.at.host_chain_id, 1)
    ours = gateway.accounts.coprocessor_senders[0].address
    async with asyncio.timeout(PATIENCE_S), RpcClient(gateway.url) as chain:
        before = await chain.call("evm_snapshot", (), ANYTHING)
        await bench.send(work)
        async with bench.sender():
            assert isinstance(await bench.result_of("t", Sent), Sent)
            (first,) = await bench.rows()
            await chain.call("evm_revert", (before,), ANYTHING)
            assert await bench.commits(work.call.handle) == 0
            # on the new branch another transaction has the nonce
            await chain.call("anvil_setNonce", (f"0x{ours.hex()}", hex(first["nonce"] + 1)), ANYTHING)
            await chain.call("anvil_mine", ("0x4",), ANYTHING)
            rows = await bench.rows_until(lambda rows: rows[-1]["state"] == "confirmed" and len(rows) == 2)
    assert [row["state"] for row in rows] == ["lost", "confirmed"]
    assert await bench.commits(work.call.handle) == 1


async def test_a_sender_that_is_stopped_with_calls_that_nobody_mines_leaves_them_to_the_next_one(
    bench: Bench, idle_chain: RpcClient
) -> None:
    bench.add_settings("drain_s = 0.5")
    works = [commit_work(bench.gateway.at.host_chain_id, number) for number in range(3)]
    await bench.send(*works)
    async with asyncio.timeout(PATIENCE_S), bench.sender() as stopped:
        before = await bench.rows_until(lambda rows: len(rows) == len(works))
        stopped.send_signal(signal.SIGTERM)
        assert await stopped.wait() == 0
    await idle_chain.call("anvil_dropAllTransactions", (), ANYTHING)
    await idle_chain.call("evm_setAutomine", (True,), ANYTHING)
    async with asyncio.timeout(PATIENCE_S), bench.sender():
        after = await bench.rows_until(lambda rows: all(row["state"] == "confirmed" for row in rows))
        results = await bench.results_until_sent("t", len(works))
    assert [(row["nonce"], row["hash"]) for row in after] == [(row["nonce"], row["hash"]) for row in before]
    assert not any(isinstance(result, Failed) for result in results)
    assert [await bench.commits(work.call.handle) for work in works] == [1, 1, 1]
