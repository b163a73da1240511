import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.errors import ContractReverted, RpcRefused
from streams.adapters.ethereum.rpc import RpcClient
from streams.devnet import chain_client as client
from streams.domain.errors import CallReverted

RECORDED = Path(__file__).parents[2] / "fixtures" / "evm"
TOKEN = b"\x70" * 20
MINED = {
    "transactionHash": "0x" + "aa" * 32,
    "blockNumber": "0x1",
    "blockHash": "0x" + "bb" * 32,
    "status": "0x1",
    "gasUsed": "0x1",
    "logs": [],
}


class Node:
    """Answers what a wallet asks; a refusal can be put in front of each method."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refusals: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, Any] = {
            "eth_chainId": "0x3039",
            "eth_gasPrice": "0x3b9aca00",
            "eth_estimateGas": "0x5208",
            "eth_getTransactionCount": "0x4",
            "eth_sendRawTransaction": "0x" + "aa" * 32,
            "eth_getTransactionReceipt": MINED,
        }

    def chain(self) -> EthereumChain:
        return EthereumChain(RpcClient("http://node", transport=httpx.MockTransport(self._handle)))

    def _handle(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        method = body["method"]
        self.asked.append(method)
        refusal = self.refusals.pop(method, None)
        answer = {"result": self.answers[method]} if refusal is None else {"error": refusal}
        return httpx.Response(200, json={"id": body["id"], **answer})


@pytest.fixture
def node() -> Node:
    return Node()


def wallet(node: Node) -> client.Wallet:
    return client.Wallet(node.chain(), client.dev_signer(0))


def test_accounts_are_those_that_the_node_gives_money_to() -> None:
    accounts = client.dev_accounts(coprocessors=2)
    assert accounts.owner.address.hex() == "f39fd6e51aad88f6f4ce6ab8827279cfffb92266"
    assert accounts.kms.address.hex() == "70997970c51812dc3a010c7d01b50e0d17dc79c8"
    everybody = [
        accounts.owner,
        accounts.kms,
        accounts.relayer,
        *accounts.users,
        *accounts.coprocessor_senders,
        *accounts.coprocessor_signers,
    ]
    assert len({signer.address for signer in everybody}) == 10


def test_accounts_do_not_show_their_keys() -> None:
    text = repr(client.dev_accounts())
    assert "f39fd6e51aad88f6f4ce6ab8827279cfffb92266" in text
    assert "ac0974bec39a17e3" not in text


async def test_a_nonce_is_asked_for_once_and_counted_on(node: Node) -> None:
    sender = wallet(node)
    await asyncio.gather(*(sender.send(TOKEN, b"") for _ in range(3)))
    assert node.asked.count("eth_getTransactionCount") == 1
    assert node.asked.count("eth_sendRawTransaction") == 3


async def test_a_refused_transaction_makes_the_nonce_uncertain(node: Node) -> None:
    sender = wallet(node)
    await sender.send(TOKEN, b"")
    node.refusals["eth_sendRawTransaction"] = {"code": -32003, "message": "nonce too low"}
    with pytest.raises(RpcRefused):
        await sender.send(TOKEN, b"")
    await sender.send(TOKEN, b"")
    assert node.asked.count("eth_getTransactionCount") == 2


async def test_a_call_that_would_fail_takes_no_nonce(node: Node) -> None:
    node.refusals["eth_estimateGas"] = {"code": 3, "message": "execution reverted", "data": "0x01020304"}
    with pytest.raises(ContractReverted):
        await wallet(node).send(TOKEN, b"")
    assert node.asked == ["eth_estimateGas"]


async def test_a_mined_failure_is_told_with_its_hash(node: Node) -> None:
    node.answers["eth_getTransactionReceipt"] = {**MINED, "status": "0x0"}
    with pytest.raises(CallReverted, match="0xaaaaaaaa"):
        await wallet(node).transact(TOKEN, b"")


def test_an_input_proof_is_laid_out_as_recorded() -> None:
    records = json.loads((RECORDED / "gateway_input_verification.json").read_text())
    record = next(item for item in records if "inputProof" in item)
    args = record["logs"][-1]["args"]
    handles = [bytes.fromhex(handle[2:]) for handle in args["ctHandles"]]
    signatures = [bytes.fromhex(signature[2:]) for signature in args["signatures"]]
    assert f"0x{client.assemble_input_proof(handles, signatures).hex()}" == record["inputProof"]
