import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from fake_node import FakeNode
from websockets.asyncio.server import ServerConnection, serve

from streams.adapters.ethereum.chain import EthereumChain, Head
from streams.adapters.ethereum.heads import HeadSource


class JumpingClock:
    """Sleeping is what makes time pass."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def now_ms(self) -> int:
        return int(self.now_s * 1000)

    def monotonic_s(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def wire(number: int, branch: str = "a") -> dict[str, str]:
    block_hash, parent = f"0x{branch}{number:063x}", f"0xa{number - 1:063x}"
    return {"number": hex(number), "hash": block_hash, "parentHash": parent, "timestamp": hex(number)}


def notification(head: dict[str, str]) -> str:
    params = {"subscription": "0x1", "result": head}
    return json.dumps({"jsonrpc": "2.0", "method": "eth_subscription", "params": params})


@asynccontextmanager
async def node_socket(*connections: list[str]) -> AsyncIterator[tuple[str, list[str]]]:
    """A socket that plays one script per connection and then hangs up."""
    scripts, asked = iter(connections), list[str]()

    async def play(socket: ServerConnection) -> None:
        asked.append(str(await socket.recv()))
        for message in next(scripts, []):
            await socket.send(message)

    async with serve(play, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}", asked


def source(node: FakeNode, url: str, **settings: Any) -> HeadSource:
    return HeadSource(EthereumChain(node.client(attempts=1)), url, clock=JumpingClock(), **settings)


async def take(heads: HeadSource, count: int) -> list[Head]:
    found: list[Head] = []
    async with aclosing(heads.heads()) as stream:
        async for head in stream:
            found.append(head)
            if len(found) == count:
                break
    return found


SUBSCRIBED = json.dumps({"jsonrpc": "2.0", "id": 1, "result": "0x1"})


async def test_the_newest_head_comes_first_and_then_what_is_announced() -> None:
    node = FakeNode(eth_getBlockByNumber=wire(5))
    script = [SUBSCRIBED, notification(wire(6)), notification(wire(7)), notification(wire(6, "b"))]
    async with node_socket(script) as (url, asked):
        heads = await take(source(node, url), 4)
    assert [head.number for head in heads] == [5, 6, 7, 6]
    assert heads[1].hash != heads[3].hash
    assert json.loads(asked[0])["params"] == ["newHeads"]


async def test_a_lost_socket_is_polled_over_and_made_anew() -> None:
    numbers = iter([5, 6, 6, 7, 7, 8])
    node = FakeNode(eth_getBlockByNumber=lambda _: wire(next(numbers)))
    first, second = [SUBSCRIBED], [SUBSCRIBED, notification(wire(9))]
    async with node_socket(first, second) as (url, asked):
        heads = await take(source(node, url, poll_s=1.0, reconnect_s=4.0), 5)
    assert [head.number for head in heads] == [5, 6, 7, 8, 9]
    assert len(asked) == 2


async def test_without_a_socket_heads_are_polled() -> None:
    numbers = iter([1, 1, 2, 3])
    node = FakeNode(eth_getBlockByNumber=lambda _: wire(next(numbers)))
    async with node_socket() as (url, _):
        gone = url
    heads = await take(source(node, gone), 3)
    assert [head.number for head in heads] == [1, 2, 3]


async def test_a_node_that_is_away_altogether_is_waited_for() -> None:
    answers = iter([None, None, wire(3)])  # no newest block: not ready yet
    node = FakeNode(eth_getBlockByNumber=lambda _: next(answers))
    async with node_socket() as (url, _):
        gone = url
    assert [head.number for head in await take(source(node, gone, reconnect_s=2.0), 1)] == [3]


async def test_a_refused_subscription_is_polled_over() -> None:
    refused = json.dumps({"id": 1, "error": {"code": -32601, "message": "no subscriptions"}})
    node = FakeNode(eth_getBlockByNumber=wire(4))
    async with node_socket([refused]) as (url, _):
        assert [head.number for head in await take(source(node, url), 1)] == [4]


async def test_a_notification_of_another_shape_is_polled_over() -> None:
    node = FakeNode(eth_getBlockByNumber=wire(4))
    async with node_socket([SUBSCRIBED, "nonsense"]) as (url, _):
        heads = await take(source(node, url), 2)
    assert [head.number for head in heads] == [4, 4]
