import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import msgspec
import pytest
from fake_node import FakeNode, refuse

from streams.adapters.breaker import FAILURES_MAX, OPEN_S
from streams.adapters.ethereum import rpc
from streams.adapters.ethereum.errors import BlockUnknown, ContractReverted, RpcRefused
from streams.adapters.ethereum.span import Span
from streams.adapters.memory.clock import FakeClock
from streams.domain.digest import keccak256
from streams.domain.errors import CallReverted, Recoverable, RpcError

TEXT = msgspec.json.Decoder(str)
LOST = httpx.ConnectError("no route")


async def test_a_result_is_read_with_the_callers_decoder() -> None:
    node = FakeNode(eth_chainId="0x3039")
    async with node.client() as client:
        assert await client.call("eth_chainId", (), TEXT) == "0x3039"
    assert node.requests == [{"jsonrpc": "2.0", "id": 0, "method": "eth_chainId", "params": []}]


@pytest.mark.parametrize(
    "fault",
    [LOST, httpx.ReadTimeout("slow"), httpx.Response(503), httpx.Response(429)],
    ids=["unreachable", "slow", "busy", "limited"],
)
async def test_a_passing_fault_is_not_seen_by_the_caller(fault: Exception | httpx.Response) -> None:
    node = FakeNode(eth_chainId="0x1")
    node.faults = [fault, fault, fault]
    async with node.client() as client:
        assert await client.call("eth_chainId", (), TEXT) == "0x1"
    assert node.posts == 4


async def test_a_node_that_stays_away_is_recoverable() -> None:
    node = FakeNode(eth_chainId="0x1")
    node.faults = [LOST] * 3
    async with node.client(attempts=3) as client:
        with pytest.raises(RpcError, match="eth_chainId: ConnectError") as raised:
            await client.call("eth_chainId", (), TEXT)
    assert isinstance(raised.value, Recoverable)
    assert node.posts == 3


async def test_a_node_that_stays_away_is_left_alone_for_a_while() -> None:
    node, clock = FakeNode(eth_chainId="0x1"), FakeClock()
    node.faults = [LOST] * FAILURES_MAX
    async with node.client(attempts=1, clock=clock) as client:
        for _ in range(FAILURES_MAX + 3):
            with pytest.raises(RpcError):
                await client.call("eth_chainId", (), TEXT)
        assert node.posts == FAILURES_MAX
        await clock.advance(OPEN_S)
        assert await client.call("eth_chainId", (), TEXT) == "0x1"


async def test_an_answer_that_refuses_is_not_repeated() -> None:
    node = FakeNode(eth_sendRawTransaction=refuse(-32003, "nonce too low"))
    async with node.client() as client:
        with pytest.raises(RpcRefused, match="nonce too low") as raised:
            await client.call("eth_sendRawTransaction", ("0x02",), TEXT)
    assert (raised.value.code, raised.value.text) == (-32003, "nonce too low")
    assert node.posts == 1


@pytest.mark.parametrize("status", [400, 401, 404, 413])
async def test_a_status_that_stays_is_not_repeated(status: int) -> None:
    node = FakeNode()
    node.faults = [httpx.Response(status)]
    async with node.client() as client:
        with pytest.raises(RpcError, match=str(status)):
            await client.call("eth_chainId", (), TEXT)
    assert node.posts == 1


def error_page(error: object) -> httpx.Response:
    return httpx.Response(400, json={"jsonrpc": "2.0", "id": 0, "error": error})


async def test_an_error_status_that_says_why_is_an_answer() -> None:
    node, selector = FakeNode(), f"0x{keccak256(b'EnforcedPause()')[:4].hex()}"
    node.faults = [error_page({"code": -32602, "message": "Log response size exceeded"})]
    node.faults += [error_page({"code": 3, "message": "execution reverted", "data": selector})]
    async with node.client() as client:
        with pytest.raises(RpcRefused, match="size exceeded"):
            await client.call("eth_getLogs", ({},), TEXT)
        with pytest.raises(ContractReverted, match="EnforcedPause"):
            await client.call("eth_call", ({},), TEXT)
    assert node.posts == 2


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"id":0,"result":"0x1"}', b"\xff", b"0" * 70_000])
async def test_an_error_status_that_does_not_say_why_is_no_answer(body: bytes) -> None:
    node = FakeNode()
    node.faults = [httpx.Response(400, content=body)]
    async with node.client() as client:
        with pytest.raises(RpcError) as raised:
            await client.call("eth_chainId", (), TEXT)
    assert not isinstance(raised.value, RpcRefused)


async def test_a_batch_that_an_error_status_refuses_is_asked_for_in_parts() -> None:
    node = FakeNode(eth_chainId="0x1")
    node.faults = [error_page({"code": -32600, "message": "batch too large"})]
    async with node.client() as client:
        assert await client.batch([("eth_chainId", ())] * 4, TEXT) == ["0x1"] * 4
    assert node.posts == 3


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        ("too many blocks", "too many blocks", 0),
        ({"code": "-32005", "message": "limit exceeded"}, "limit exceeded", -32005),
        ({"code": "LIMIT", "message": None}, "without words", 0),
        ({}, "without words", 0),
        (["odd"], "without words", 0),
        ({"code": -32000, "message": "a" * 5_000}, "a" * 1_000, -32000),
    ],
    ids=["words", "text for a code", "no words", "empty", "list", "long"],
)
async def test_an_error_of_another_shape_is_a_refusal_too(error: object, words: str, code: int) -> None:
    node = FakeNode()
    node.faults = [httpx.Response(200, json={"jsonrpc": "2.0", "id": 0, "error": error})]
    async with node.client() as client:
        with pytest.raises(RpcRefused, match=words) as raised:
            await client.call("eth_getLogs", ({},), TEXT)
    assert raised.value.code == code
    assert len(raised.value.text) <= 1_000


@pytest.mark.parametrize("problem", [(3, "invalid argument"), (-32000, "the state was reverted")])
@pytest.mark.parametrize("method", ["eth_getLogs", "eth_getBlockByNumber", "eth_getTransactionCount"])
async def test_what_runs_no_contract_is_reverted_by_none(method: str, problem: tuple[int, str]) -> None:
    """A revert is final: it would end a listener, or the item of whoever asked for a nonce."""
    node = FakeNode(**{method: refuse(*problem)})
    async with node.client() as client:
        with pytest.raises(RpcRefused):
            await client.call(method, (), TEXT)


@pytest.mark.parametrize("words", ["unknown block", "header not found", "Block not found"])
async def test_a_block_that_is_gone_has_its_own_error(words: str) -> None:
    node = FakeNode(eth_getLogs=refuse(-32000, words))
    async with node.client() as client:
        with pytest.raises(BlockUnknown):
            await client.call("eth_getLogs", ({},), TEXT)


async def test_a_revert_carries_the_contracts_error() -> None:
    data = keccak256(b"VerifyProofNotRequested(uint256)")[:4] + (9).to_bytes(32, "big")
    node = FakeNode(eth_call=refuse(3, "execution reverted", f"0x{data.hex()}"))
    async with node.client() as client:
        with pytest.raises(ContractReverted) as raised:
            await client.call("eth_call", ({},), TEXT)
    assert isinstance(raised.value, CallReverted)
    assert (raised.value.name, raised.value.arguments) == ("VerifyProofNotRequested", (9,))
    assert str(raised.value) == "VerifyProofNotRequested(9)"


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda data: f"Reverted {data}",
        lambda data: {"data": data, "message": "VM Exception"},
        lambda data: {"result": data},
        lambda data: {"data": {"data": data}},
    ],
    ids=["words", "object", "result", "nested"],
)
async def test_a_revert_is_found_wherever_a_node_puts_it(wrapped: Callable[[str], object]) -> None:
    data = keccak256(b"CoprocessorAlreadyAdded(bytes32,address)")[:4] + bytes(64)
    node = FakeNode(eth_estimateGas=refuse(-32015, "execution reverted", wrapped(f"0x{data.hex()}")))
    async with node.client() as client:
        with pytest.raises(ContractReverted) as raised:
            await client.call("eth_estimateGas", ({},), TEXT)
    assert raised.value.name == "CoprocessorAlreadyAdded"


@pytest.mark.parametrize("data", [None, "", "0x", "no hex", 7, [], {"code": 1}])
async def test_a_revert_without_its_error_keeps_the_nodes_words(data: object) -> None:
    node = FakeNode(eth_estimateGas=refuse(3, "execution reverted: paused", data))
    async with node.client() as client:
        with pytest.raises(ContractReverted, match=r"Unknown\(execution reverted: paused\)"):
            await client.call("eth_estimateGas", ({},), TEXT)


async def test_a_revert_without_data_is_one_too() -> None:
    node = FakeNode(eth_call=refuse(-32000, "execution reverted"))
    async with node.client() as client:
        with pytest.raises(ContractReverted, match="Unknown"):
            await client.call("eth_call", ({},), TEXT)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"id":0,"result":7}',
        b'{"id":0,"result":"\xff"}',
        b'{"id":0,"error":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    ],
    ids=["empty", "page", "list", "other type", "no text", "nested without end"],
)
async def test_an_answer_of_another_shape_is_recoverable(body: bytes) -> None:
    node = FakeNode()
    node.faults = [httpx.Response(200, content=body)]
    async with node.client() as client:
        with pytest.raises(RpcError):
            await client.call("eth_chainId", (), TEXT)


async def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "ANSWER_BYTES_MAX", 100)
    node = FakeNode(eth_chainId="0" * 101)
    async with node.client() as client:
        with pytest.raises(RpcError, match="more than 100 bytes"):
            await client.call("eth_chainId", (), TEXT)


async def test_a_batch_comes_back_in_the_order_of_its_calls() -> None:
    node = FakeNode(double=lambda params: str(2 * params[0]))
    async with node.client() as client:
        results = await client.batch([("double", (n,)) for n in range(5)], TEXT)
    assert results == ["0", "2", "4", "6", "8"]
    assert node.posts == 1


async def test_an_empty_batch_asks_nobody() -> None:
    node = FakeNode()
    async with node.client() as client:
        assert await client.batch([], TEXT) == []
    assert node.posts == 0


async def test_a_batch_with_answers_missing_is_refused() -> None:
    node = FakeNode()
    node.faults = [httpx.Response(200, json=[{"id": 0, "result": "a"}, {"id": 0, "result": "b"}])]
    async with node.client() as client:
        with pytest.raises(RpcError, match="1 answers to a batch of 2"):
            await client.batch([("a", ()), ("b", ())], TEXT)


async def test_a_batch_raises_for_the_first_that_failed() -> None:
    node = FakeNode(good="x", bad=refuse(-32000, "unknown block"))
    async with node.client() as client:
        with pytest.raises(BlockUnknown):
            await client.batch([("good", ()), ("bad", ())], TEXT)


async def test_an_answer_to_another_request_is_refused() -> None:
    node = FakeNode(eth_chainId="0x1")
    async with node.client() as client:
        await client.call("eth_chainId", (), TEXT)
        node.faults = [
            httpx.Response(200, json={"id": 0, "result": "0x7"})
        ]  # late: the one before was answered
        with pytest.raises(RpcError, match="another request"):
            await client.call("eth_chainId", (), TEXT)


class Trickle(httpx.AsyncByteStream):
    """A body that begins and never ends, though no pause in it is long."""

    def __init__(self) -> None:
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        self.is_closed = True


async def test_an_answer_that_trickles_is_given_up_and_asked_for_again() -> None:
    node, trickle = FakeNode(eth_chainId="0x1"), Trickle()
    node.faults = [httpx.Response(200, stream=trickle)]
    async with node.client(timeout_s=0.05, attempts=20) as client:
        assert await client.call("eth_chainId", (), TEXT) == "0x1"
    assert trickle.is_closed
    assert node.posts >= 2


async def test_an_answer_that_was_cut_is_recoverable() -> None:
    whole = b'{"jsonrpc":"2.0","id":0,"result":"0x1"}'
    node = FakeNode()
    node.faults = [httpx.Response(200, content=whole[: len(whole) // 2])]
    async with node.client() as client:
        with pytest.raises(RpcError, match="not JSON-RPC"):
            await client.call("eth_chainId", (), TEXT)


@pytest.mark.parametrize("most", [1, 3, 8], ids=["none", "few", "half"])
async def test_a_node_that_takes_smaller_batches_is_asked_for_less(most: int) -> None:
    node = FakeNode(double=lambda params: str(2 * params[0]))
    node.batch_max = most if most > 1 else 0
    async with node.client() as client:
        for _ in range(2):
            results = await client.batch([("double", (n,)) for n in range(16)], TEXT)
            assert results == [str(2 * n) for n in range(16)]
    assert len(node.requests) == 32  # nothing was asked twice


def test_a_span_halves_after_a_refusal_and_grows_after_successes() -> None:
    span = Span(100)
    assert span.refuse(100)
    assert span.refuse(50)
    assert span.length == 25
    for _ in range(7):
        span.succeed(25)
    assert span.length == 25
    span.succeed(24)  # the last page of a range: says nothing about the limit
    assert span.length == 25
    span.succeed(25)
    assert span.length == 50
    for _ in range(20):
        span.succeed(100)
    assert span.length == 100
    assert not span.refuse(1)
