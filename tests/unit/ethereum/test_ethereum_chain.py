from typing import Any

import pytest
from fake_node import FakeNode, refuse

from streams.adapters.ethereum import abi
from streams.adapters.ethereum.chain import BlockLog, EthereumChain, Head, hex_text, quantity, unhex
from streams.adapters.ethereum.errors import BlockUnknown, ContractReverted, WrongLogs
from streams.domain.errors import RpcError

HASH, PARENT, OTHER = b"\xaa" * 32, b"\xbb" * 32, b"\xcc" * 32
TX = b"\xdd" * 32
ACL = b"\x50" * 20
HEAD = Head(7, HASH, PARENT, 1_700_000_000)
WIRE_HEAD = {
    "number": "0x7",
    "hash": hex_text(HASH),
    "parentHash": hex_text(PARENT),
    "timestamp": "0x6553f100",
}
IS_READY = abi.function("isReady(address)", "(bool)")


def wire_log(index: int, block_hash: bytes = HASH, number: int = 7, **changes: Any) -> dict[str, Any]:
    return {
        "address": hex_text(ACL),
        "topics": [hex_text(OTHER)],
        "data": "0x01",
        "transactionHash": hex_text(TX),
        "logIndex": hex(index),
        "blockNumber": hex(number),
        "blockHash": hex_text(block_hash),
        "removed": False,
        **changes,
    }


def chain_of(node: FakeNode) -> EthereumChain:
    return EthereumChain(node.client())


async def test_the_head_is_read_in_bytes_and_numbers() -> None:
    node = FakeNode(eth_getBlockByNumber={**WIRE_HEAD, "transactions": [], "miner": "0x0"})
    assert await chain_of(node).head() == HEAD
    assert node.requests[0]["params"] == ["latest", False]


@pytest.mark.parametrize(("told", "limit"), [("0x1c9c380", 30_000_000), ("0xffffffffffffffff", 2**63 - 1)])
async def test_a_head_tells_what_gas_its_transactions_have(told: str, limit: int) -> None:
    head = await chain_of(FakeNode(eth_getBlockByNumber={**WIRE_HEAD, "gasLimit": told})).head()
    assert head.gas_limit == limit


async def test_a_gas_limit_that_is_no_number_is_refused() -> None:
    with pytest.raises(RpcError, match="not a number"):
        await chain_of(FakeNode(eth_getBlockByNumber={**WIRE_HEAD, "gasLimit": "much"})).head()


async def test_blocks_are_asked_for_in_one_request() -> None:
    node = FakeNode(eth_getBlockByNumber=lambda params: WIRE_HEAD if params[0] == "0x7" else None)
    assert await chain_of(node).blocks([7, 8]) == [HEAD, None]
    assert node.posts == 1


async def test_a_block_that_is_gone_is_none() -> None:
    chain = chain_of(FakeNode(eth_getBlockByHash=None, eth_getBlockByNumber=None))
    assert await chain.block_by_hash(OTHER) is None
    assert await chain.block(9) is None


async def test_a_node_without_a_head_is_not_ready() -> None:
    with pytest.raises(RpcError, match="no newest block"):
        await chain_of(FakeNode(eth_getBlockByNumber=None)).head()


async def test_logs_of_a_block_come_in_their_order() -> None:
    node = FakeNode(eth_getLogs=[wire_log(5), wire_log(2), wire_log(3)])
    logs = await chain_of(node).logs_of_block(HASH, [ACL])
    assert [log.log_index for log in logs] == [2, 3, 5]
    assert (logs[0].address, logs[0].topics, logs[0].data, logs[0].transaction_hash) == (
        ACL,
        (OTHER,),
        b"\1",
        TX,
    )
    assert node.requests[0]["params"] == [{"blockHash": hex_text(HASH), "address": [hex_text(ACL)]}]


async def test_all_emitters_are_asked_for_by_naming_none() -> None:
    node = FakeNode(eth_getLogs=[])
    assert await chain_of(node).logs_of_block(HASH) == ()
    assert node.requests[0]["params"] == [{"blockHash": hex_text(HASH)}]


@pytest.mark.parametrize(
    "changes", [{"block_hash": OTHER}, {"removed": True}], ids=["other block", "removed"]
)
async def test_a_log_of_another_block_is_not_taken(changes: dict[str, Any]) -> None:
    node = FakeNode(eth_getLogs=[wire_log(0), wire_log(1, **changes)])
    with pytest.raises(RpcError, match="another block"):
        await chain_of(node).logs_of_block(HASH)


async def test_logs_of_an_orphan_are_a_reason_to_catch_up() -> None:
    with pytest.raises(BlockUnknown):
        await chain_of(FakeNode(eth_getLogs=refuse(-32000, "unknown block"))).logs_of_block(HASH)


async def test_a_range_is_ordered_by_block_and_index() -> None:
    node = FakeNode(eth_getLogs=[wire_log(0, OTHER, 8), wire_log(4), wire_log(1)])
    found = await chain_of(node).logs_in_range(7, 8)
    assert [(item.block_number, item.log.log_index) for item in found] == [(7, 1), (7, 4), (8, 0)]
    assert isinstance(found[0], BlockLog)
    assert found[2].block_hash == OTHER
    assert node.requests[0]["params"] == [{"fromBlock": "0x7", "toBlock": "0x8"}]


async def test_logs_of_an_event_are_asked_for_by_contract_and_topics() -> None:
    node = FakeNode(eth_getLogs=[wire_log(1, number=8), wire_log(3), wire_log(2)])
    found = await chain_of(node).logs_since(7, ACL, (OTHER,))
    assert [log.log_index for log in found] == [2, 3, 1]
    query = {"fromBlock": "0x7", "toBlock": "latest", "address": [hex_text(ACL)], "topics": [hex_text(OTHER)]}
    assert node.requests[0]["params"] == [query]


@pytest.mark.parametrize(
    "changes", [{"topics": [hex_text(HASH)]}, {"address": hex_text(OTHER[:20])}], ids=["topic", "contract"]
)
async def test_logs_of_another_event_are_not_taken(changes: dict[str, Any]) -> None:
    with pytest.raises(WrongLogs):
        await chain_of(FakeNode(eth_getLogs=[wire_log(1, **changes)])).logs_since(7, ACL, (OTHER,))


async def test_a_view_is_called_and_decoded() -> None:
    node = FakeNode(eth_call=hex_text((1).to_bytes(32, "big")))
    assert await chain_of(node).view(ACL, IS_READY, OTHER[:20]) == (True,)
    request, tag = node.requests[0]["params"]
    assert tag == "latest"
    assert request == {"to": hex_text(ACL), "data": hex_text(abi.encode_call(IS_READY, OTHER[:20]))}


async def test_an_estimate_tells_the_contracts_reason() -> None:
    data = abi.error("EmptyInputProof()").selector
    node = FakeNode(eth_estimateGas=refuse(3, "execution reverted: custom error", hex_text(data)))
    with pytest.raises(ContractReverted, match=r"EmptyInputProof\(\)"):
        await chain_of(node).estimate_gas(ACL, ACL, b"")


async def test_a_creation_has_no_receiver() -> None:
    node = FakeNode(eth_estimateGas="0x5208")
    assert await chain_of(node).estimate_gas(ACL, None, b"\1") == 21_000
    assert node.requests[0]["params"] == [{"from": hex_text(ACL), "data": "0x01"}]


async def test_accounts_and_code_are_read() -> None:
    node = FakeNode(
        eth_chainId="0x3039", eth_getTransactionCount="0x9", eth_getCode="0x60", eth_gasPrice="0x3b9aca00"
    )
    chain = chain_of(node)
    assert await chain.chain_id() == 12345
    assert await chain.nonce(ACL) == 9
    assert await chain.code(ACL) == b"\x60"
    assert await chain.gas_price() == 10**9
    assert node.requests[1]["params"] == [hex_text(ACL), "pending"]


async def test_a_receipt_tells_success_and_logs() -> None:
    wire = {
        "transactionHash": hex_text(TX),
        "blockNumber": "0x7",
        "blockHash": hex_text(HASH),
        "status": "0x1",
        "gasUsed": "0x10",
        "logs": [wire_log(0)],
    }
    answers = iter([None, wire, {**wire, "status": "0x0", "logs": []}])
    chain = chain_of(FakeNode(eth_getTransactionReceipt=lambda _: next(answers)))
    assert await chain.receipt(TX) is None
    mined = await chain.receipt(TX)
    assert mined is not None
    assert (mined.is_success, mined.gas_used, mined.block_number, len(mined.logs)) == (True, 16, 7, 1)
    failed = await chain.receipt(TX)
    assert failed is not None
    assert not failed.is_success


async def test_the_receipt_of_another_transaction_is_none_of_ours() -> None:
    wire = {
        "transactionHash": hex_text(OTHER),
        "blockNumber": "0x7",
        "blockHash": hex_text(HASH),
        "status": "0x1",
        "gasUsed": "0x10",
        "logs": [],
    }
    with pytest.raises(RpcError, match="another transaction"):
        await chain_of(FakeNode(eth_getTransactionReceipt=wire)).receipt(TX)


async def test_a_block_that_was_not_asked_for_is_not_taken() -> None:
    chain = chain_of(FakeNode(eth_getBlockByNumber=WIRE_HEAD, eth_getBlockByHash=WIRE_HEAD))
    with pytest.raises(RpcError, match="block 7 instead of 8"):
        await chain.block(8)
    with pytest.raises(RpcError, match="block 7 instead of 6"):
        await chain.blocks([7, 6])
    with pytest.raises(RpcError, match="another block"):
        await chain.block_by_hash(OTHER)


@pytest.mark.parametrize(
    "changes",
    [
        {"hash": "0x"},
        {"hash": None},
        {"parentHash": "0xaa"},
        {"number": "-0x7"},
        {"number": hex(2**63)},
        {"timestamp": hex(2**200)},
        {"logsBloom": "0x00"},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_header_that_no_chain_has_is_the_nodes_fault(changes: dict[str, Any]) -> None:
    with pytest.raises(RpcError):
        await chain_of(FakeNode(eth_getBlockByNumber={**WIRE_HEAD, **changes})).head()


async def test_a_header_without_a_bloom_is_one_of_a_chain_without_blooms() -> None:
    assert await chain_of(FakeNode(eth_getBlockByNumber={**WIRE_HEAD, "logsBloom": None})).head() == HEAD


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "0x50"},
        {"topics": ["0x01"]},
        {"transactionHash": "0x"},
        {"logIndex": "-0x1"},
        {"logIndex": hex(2**32)},
        {"blockNumber": None},
        {"data": None},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_log_that_no_chain_has_is_the_nodes_fault(changes: dict[str, Any]) -> None:
    chain = chain_of(FakeNode(eth_getLogs=[{**wire_log(1), **changes}]))
    with pytest.raises(RpcError):
        await chain.logs_of_block(HASH)
    with pytest.raises(RpcError):
        await chain.logs_in_range(7, 7)


async def test_a_log_of_a_contract_that_was_not_asked_for_is_not_taken() -> None:
    """A node that does not know the filter would let anybody allow handles in the access list's name."""
    chain = chain_of(FakeNode(eth_getLogs=[wire_log(0), wire_log(1, address=f"0x{'66' * 20}")]))
    assert len(await chain.logs_of_block(HASH)) == 2
    with pytest.raises(WrongLogs, match="not asked for"):
        await chain.logs_of_block(HASH, [ACL])
    with pytest.raises(WrongLogs, match="not asked for"):
        await chain.logs_in_range(7, 7, iter([ACL]))


@pytest.mark.parametrize("read", [unhex, quantity])
def test_text_that_is_not_hex_is_the_nodes_fault(read: Any) -> None:
    with pytest.raises(RpcError):
        read("0xzz")


@pytest.mark.parametrize(
    "log",
    [wire_log(0, number=4), wire_log(0, number=8), wire_log(0, removed=True)],
    ids=["below", "above", "removed"],
)
async def test_logs_from_outside_of_a_range_are_refused(log: dict[str, Any]) -> None:
    with pytest.raises(WrongLogs, match="outside of 5 to 7"):
        await chain_of(FakeNode(eth_getLogs=[log])).logs_in_range(5, 7)


async def test_a_log_that_comes_twice_is_refused() -> None:
    with pytest.raises(WrongLogs, match="twice"):
        await chain_of(FakeNode(eth_getLogs=[wire_log(1), wire_log(1)])).logs_of_block(HASH)


async def test_a_header_carries_its_bloom_unless_the_chain_has_no_true_ones() -> None:
    bloom = bytes(255) + b"\x01"
    node = FakeNode(eth_getBlockByNumber={**WIRE_HEAD, "logsBloom": hex_text(bloom)})
    assert (await chain_of(node).head()).logs_bloom == bloom
    plain = EthereumChain(node.client(), has_blooms=False)
    assert [head and head.logs_bloom for head in await plain.blocks([7])] == [b""]
    node.answers["eth_getBlockByNumber"] = {**WIRE_HEAD, "logsBloom": "0x01"}
    with pytest.raises(RpcError, match="bloom of 1 bytes"):
        await chain_of(node).head()
