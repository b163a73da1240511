"""A node over HTTP and WebSocket that serves a chain in memory and misbehaves on command."""

import asyncio
import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from fake_chain import FakeChain
from websockets.asyncio.server import Server, ServerConnection, serve

from streams.adapters.ethereum.bloom import BLOOM_BYTES
from streams.adapters.ethereum.chain import Head
from streams.adapters.ethereum.errors import RpcRefused
from streams.domain.facts import Log

Lie = Callable[[Any, list[Any]], Any]  # (what is true, parameters) -> what is said


@dataclass(frozen=True)
class Cut:
    """Half of the answer, then the connection ends."""


@dataclass(frozen=True)
class Late:
    """No answer while the client waits."""


@dataclass(frozen=True)
class Busy:
    """Status 503."""


@dataclass(frozen=True)
class Told:
    """An answer that is not true."""

    lie: Lie


@dataclass(frozen=True)
class Refused:
    """An error, for what `when` holds of the parameters."""

    message: str
    when: Callable[[list[Any]], bool] = lambda _: True


Fault = Cut | Late | Busy | Told | Refused


def wire(head: Head | None) -> dict[str, str] | None:
    if head is None:
        return None
    return {
        "number": hex(head.number),
        "hash": f"0x{head.hash.hex()}",
        "parentHash": f"0x{head.parent_hash.hex()}",
        "timestamp": hex(head.timestamp),
        "logsBloom": f"0x{head.logs_bloom.hex() or bytes(BLOOM_BYTES).hex()}",
    }


def wire_log(head: Head, log: Log) -> dict[str, Any]:
    return {
        "address": f"0x{log.address.hex()}",
        "topics": [f"0x{topic.hex()}" for topic in log.topics],
        "data": f"0x{log.data.hex()}",
        "transactionHash": f"0x{log.transaction_hash.hex()}",
        "logIndex": hex(log.log_index),
        "blockNumber": hex(head.number),
        "blockHash": f"0x{head.hash.hex()}",
    }


class StormyNode:
    """`next` are the faults of the coming answers of a method, `always` one for each answer."""

    def __init__(self, chain: FakeChain) -> None:
        self.chain = chain
        self.next: dict[str, list[Fault]] = defaultdict(list)
        self.always: dict[str, Fault] = {}
        self.asked: Counter[str] = Counter()
        self.http_url = self.ws_url = ""
        self.is_mute = False  # subscriptions are taken and nothing is announced
        self.sockets: list[ServerConnection] = []
        self._released = asyncio.Event()

    async def announce(self) -> None:
        """Tell the newest head to who subscribed."""
        params = {"subscription": "0x1", "result": wire(self.chain.branch[-1])}
        text = json.dumps({"jsonrpc": "2.0", "method": "eth_subscription", "params": params})
        if not self.is_mute:
            await asyncio.gather(*(socket.send(text) for socket in self.sockets))

    async def hang_up(self) -> None:
        """End every subscription."""
        for socket in self.sockets[:]:
            await socket.close()

    async def subscribe(self, socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send('{"jsonrpc":"2.0","id":1,"result":"0x1"}')
        self.sockets.append(socket)
        await socket.wait_closed()
        self.sockets.remove(socket)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._exchange(reader, writer):
                pass
        writer.close()

    def release(self) -> None:
        """Let late answers go nowhere."""
        self._released.set()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        asked = json.loads(await reader.readexactly(length))
        calls: list[dict[str, Any]] = asked if isinstance(asked, list) else [asked]
        faults = [fault for call in calls if (fault := self._fault(call["method"]))]
        if any(isinstance(fault, Late) for fault in faults):
            await self._released.wait()
            return False
        status = "503 Busy" if any(isinstance(fault, Busy) for fault in faults) else "200 OK"
        told = [await self._answer(call, self._worst(faults)) for call in calls]
        body = json.dumps(told if isinstance(asked, list) else told[0]).encode()
        is_cut = any(isinstance(fault, Cut) for fault in faults)
        shown = body[: len(body) // 2] if is_cut else body
        lines = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(lines.encode() + shown)
        await writer.drain()
        return not is_cut

    def _fault(self, method: str) -> Fault | None:
        self.asked[method] += 1
        coming = self.next[method]
        return coming.pop(0) if coming else self.always.get(method)

    def _worst(self, faults: list[Fault]) -> Fault | None:
        return next((fault for fault in faults if isinstance(fault, Told | Refused)), None)

    async def _answer(self, call: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
        answer = {"jsonrpc": "2.0", "id": call["id"]}
        params = call["params"]
        try:
            if isinstance(fault, Refused) and fault.when(params):
                raise RpcRefused(call["method"], -32000, fault.message)
            true = await self._truth(call["method"], params)
            return {**answer, "result": fault.lie(true, params) if isinstance(fault, Told) else true}
        except RpcRefused as refused:
            return {**answer, "error": {"code": refused.code, "message": refused.text}}

    async def _truth(self, method: str, params: list[Any]) -> Any:
        if method == "eth_chainId":
            return hex(12345)
        if method == "eth_getBlockByNumber":
            latest = params[0] == "latest"
            return wire(await (self.chain.head() if latest else self.chain.block(int(params[0], 16))))
        if method == "eth_getBlockByHash":
            return wire(await self.chain.block_by_hash(_raw(params[0])))
        return await self._logs(params[0])

    async def _logs(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        addresses = tuple(map(_raw, query.get("address", ())))
        if "blockHash" in query:
            logs = await self.chain.logs_of_block(_raw(query["blockHash"]), addresses)
            head = await self.chain.block_by_hash(_raw(query["blockHash"]))
            return [wire_log(head, log) for log in logs] if head else []
        first, last = int(query["fromBlock"], 16), int(query["toBlock"], 16)
        found = await self.chain.logs_in_range(first, last, addresses)
        return [wire_log(self.chain.branch[entry.block_number], entry.log) for entry in found]


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _port(server: asyncio.Server | Server) -> int:
    return next(iter(server.sockets)).getsockname()[1]


@contextlib.asynccontextmanager
async def stormy(chain: FakeChain) -> AsyncIterator[StormyNode]:
    """A running node."""
    node = StormyNode(chain)
    async with serve(node.subscribe, "127.0.0.1", 0) as sockets:
        server = await asyncio.start_server(node.converse, "127.0.0.1", 0)
        node.http_url, node.ws_url = f"http://127.0.0.1:{_port(server)}", f"ws://127.0.0.1:{_port(sockets)}"
        try:
            yield node
        finally:
            node.release()
            server.close()
            await server.wait_closed()
