"""The sender makes each call once on a real chain, also when it is killed after any of its steps."""

import asyncio
import json
import secrets
import signal
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from sender_process import Bench, commit_work, work_of

from streams.adapters.ethereum import abi, calls
from streams.adapters.ethereum.chain import EthereumChain
from streams.devnet import contracts
from streams.devnet.chain_client import DEFAULT_EXTRA_DATA, Wallet, request_proof
from streams.domain import events
from streams.domain.requests import item_that_answers
from streams.domain.results import Failed, Sent, Started
from streams.domain.work import AllowAccount, AllowPublicDecrypt, RejectResponse, VerifyResponse

pytestmark = pytest.mark.stack
NewBench = Callable[[int], Awaitable[Bench]]
PATIENCE_S = 240  # of a machine that does other things as well
POINTS = ("started", "decided", "committed", "broadcast", "receipt", "settled", "resulted")


async def requested(bench: Bench, node: EthereumChain) -> int:
    at, accounts = bench.gateway.at, bench.gateway.accounts
    zk_proof_id, _ = await request_proof(
        Wallet(node, accounts.relayer),
        at.input_verification,
        host_chain_id=at.host_chain_id,
        contract=at.token,
        user=accounts.users[0].address,
        ciphertext=b"list",
    )
    return zk_proof_id


def verified(bench: Bench, zk_proof_id: int, contract: bytes | None = None) -> VerifyResponse:
    at = bench.gateway.at
    return VerifyResponse(
        zk_proof_id=zk_proof_id,
        handles=(bytes(22) + at.host_chain_id.to_bytes(8, "big") + b"\5\0",),
        user_address=bench.gateway.accounts.users[0].address,
        contract_address=contract or at.token,
        contract_chain_id=at.host_chain_id,
        extra_data=b"\0",
    )


def asked(bench: Bench, zk_proof_id: int) -> events.VerifyProofRequest:
    """The request of `requested`, as its event tells it."""
    at = bench.gateway.at
    return events.VerifyProofRequest(
        zk_proof_id=zk_proof_id,
        contract_chain_id=at.host_chain_id,
        contract=at.token,
        user=bench.gateway.accounts.users[0].address,
        ciphertext=b"list",
        extra_data=DEFAULT_EXTRA_DATA,
    )


async def killed_and_restarted(bench: Bench, point: str) -> tuple[int, int, str]:
    """Commits on the gateway, rows in the table and the state of the last one."""
    work = commit_work(bench.gateway.at.host_chain_id, 1)
    await bench.send(work)
    async with bench.sender(f"sender.{point}") as killed:
        assert await asyncio.wait_for(killed.wait(), PATIENCE_S) == -signal.SIGKILL, point
    async with bench.sender(f"sender.{point}") as process:
        sent = await asyncio.wait_for(bench.result_of("t", Sent, attempts=2), PATIENCE_S)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0, point
    rows = await bench.rows()
    assert isinstance(sent, Sent)
    assert rows[-1]["transaction_hash"] == sent.transaction_hash, point
    return await bench.commits(work.call.handle), len(rows), rows[-1]["state"]


async def test_a_sigkill_after_any_step_makes_the_call_once(new_bench: NewBench) -> None:
    benches = [await new_bench(operator) for operator in range(len(POINTS))]
    both = zip(benches, POINTS, strict=True)
    outcomes = await asyncio.gather(*(killed_and_restarted(bench, point) for bench, point in both))
    assert outcomes == [(1, 1, "confirmed")] * len(POINTS)


async def test_votes_and_commits_are_taken_by_the_contracts(bench: Bench) -> None:
    yes, no = await requested(bench, bench.node), await requested(bench, bench.node)
    rejection = item_that_answers("t", asked(bench, no))
    works = [
        work_of(verified(bench, yes), "yes"),
        work_of(RejectResponse(zk_proof_id=no, extra_data=b"\0"), rejection),
        *(commit_work(bench.gateway.at.host_chain_id, number) for number in range(20)),
    ]
    await bench.send(*works)
    async with bench.sender():
        results = await asyncio.wait_for(bench.results("t", 2 * len(works)), PATIENCE_S)
    sent = [result for result in results if isinstance(result, Sent)]
    assert {result.item for result in sent} == {work.item for work in works}
    assert sum(isinstance(result, Started) for result in results) == len(works)
    contract = bench.gateway.at.input_verification
    assert await calls.is_proof_verified(bench.node, contract, yes)
    assert await calls.is_proof_rejected(bench.node, contract, no)
    nonces = [row["nonce"] for row in await bench.rows()]
    assert nonces == list(range(nonces[0], nonces[0] + len(works)))


async def test_a_call_that_is_on_the_gateway_already_needs_no_transaction(bench: Bench) -> None:
    work = commit_work(bench.gateway.at.host_chain_id, 1)
    ours = Wallet(bench.node, bench.gateway.accounts.coprocessor_senders[0])
    digests = work.call.ct64_digest, work.call.ct128_digest
    data = calls.add_ciphertext_material(work.call.handle, work.call.key_id, *digests)
    await ours.transact(bench.gateway.at.ciphertext_commits, data)
    await bench.send(work)
    async with bench.sender():
        sent = await asyncio.wait_for(bench.result_of("t", Sent), PATIENCE_S)
    assert isinstance(sent, Sent)
    assert sent.already
    assert await bench.rows() == []


async def test_an_answer_to_no_request_may_be_made_later(bench: Bench) -> None:
    await bench.send(work_of(RejectResponse(zk_proof_id=10**6, extra_data=b"\0"), "none"))
    async with bench.sender():
        failed = await asyncio.wait_for(bench.result_of("t", Failed), PATIENCE_S)
    assert isinstance(failed, Failed)
    assert (failed.category, failed.error) == ("recoverable", "CallRefused")


async def test_a_rejection_of_another_request_of_the_number_is_not_made(bench: Bench) -> None:
    zk_proof_id = await requested(bench, bench.node)
    other = msgspec.structs.replace(asked(bench, zk_proof_id), ciphertext=b"of another branch")
    item = item_that_answers("t", other)
    await bench.send(work_of(RejectResponse(zk_proof_id=zk_proof_id, extra_data=b"\0"), item))
    async with bench.sender():
        failed = await asyncio.wait_for(bench.result_of("t", Failed), PATIENCE_S)
    assert isinstance(failed, Failed)
    assert (failed.category, failed.error) == ("recoverable", "CallRefused")
    assert not await calls.is_proof_rejected(bench.node, bench.gateway.at.input_verification, zk_proof_id)
    assert await bench.rows() == []


async def test_a_vote_whose_signature_is_over_another_contract_stops_the_process(bench: Bench) -> None:
    zk_proof_id = await requested(bench, bench.node)
    await bench.send(work_of(verified(bench, zk_proof_id, contract=b"\1" * 20), "wrong"))
    async with bench.sender() as process:
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 1


async def test_a_gateway_of_another_release_ends_the_sender_before_any_call(bench: Bench) -> None:
    commits = f"0x{bench.gateway.at.ciphertext_commits.hex()}"
    given = bench.settings.read_text()
    bench.settings.write_text(
        given.replace("[gateway]\n", f'[gateway]\ngateway_config_address = "{commits}"\n')
    )
    await bench.send(commit_work(bench.gateway.at.host_chain_id, 1))
    lines = bench.settings.with_name("log")
    with lines.open("wb") as log:
        async with bench.sender(log=log) as process:
            assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 1
    last = json.loads(lines.read_text().splitlines()[-1])
    assert (last["action"], last["error"]) == ("fatal", "ForeignRelease")
    assert "is CiphertextCommits v0.6.0; this release speaks GatewayConfig v0.8.0" in last["event"]
    assert await bench.rows() == []


async def test_rights_of_an_old_network_are_repeated_once(bench: Bench) -> None:
    at, node, account = bench.gateway.at, bench.node, b"\x0b" * 20
    code = contracts.load_bytecode("GatewayMultichainACL")
    code += abi.encode_arguments(("address",), (at.gateway_config,))
    await Wallet(node, bench.gateway.accounts.owner).transact(
        contracts.CREATE2_FACTORY, contracts.SALT + code
    )
    rights = contracts.create2_address(code)
    setting = f'[gateway]\nmultichain_acl_address = "0x{rights.hex()}"\n'
    bench.settings.write_text(bench.settings.read_text().replace("[gateway]\n", setting))
    handle = secrets.token_bytes(22) + at.host_chain_id.to_bytes(8, "big") + b"\5\0"
    calls_ = (AllowAccount(handle=handle, account=account), AllowPublicDecrypt(handle=handle))
    works = [work_of(call, f"right{number}") for number, call in enumerate(calls_)]
    await bench.send(*works, *works)
    async with bench.sender() as process:
        found = await asyncio.wait_for(bench.results("t", 8), PATIENCE_S)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    sent = [result for result in found if isinstance(result, Sent)]
    assert {result.item for result in sent} == {"right0", "right1"}
    assert len(await bench.rows()) == 2  # the second delivery of each is answered without a transaction
    assert await node.view(rights, calls.IS_ACCOUNT_ALLOWED, handle, account, b"") == (True,)
    assert await node.view(rights, calls.IS_PUBLIC_DECRYPT_ALLOWED, handle, b"") == (True,)
    head = await node.head()
    logs = [entry.log for entry in await node.logs_in_range(0, head.number, [rights])]
    told = [event for log in logs if (event := events.decode_gateway_log(log.topics, log.data)) is not None]
    sender = bench.gateway.accounts.coprocessor_senders[0].address
    assert sorted(told, key=repr) == [
        events.AccountAllowed(handle, account, sender, b""),
        events.PublicDecryptAllowed(handle, sender, b""),
    ]
