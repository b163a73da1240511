"""Raw decoding: a node's answer to `eth_getLogs` into facts and events, in one process, without a network."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from streams.adapters.ethereum.chain import EthereumChain, hex_text
from streams.adapters.ethereum.rpc import RpcClient
from streams.bench import traffic
from streams.bench.report import Figure, Report
from streams.domain.events import decode_host_log
from streams.domain.facts import HostBlock, Log, encode_fact

LOGS_PER_S: Final = 50_000
_BLOCK: Final = bytes(32)


class _Answers(RpcClient):
    """Answers every call with the same body, decoded as the wire's client does."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def call(self, method: str, params: Sequence[object], decoder: msgspec.json.Decoder[Any]) -> Any:
        del method, params
        return decoder.decode(self._body)


async def measure(logs: int, transfers: int, clock: Callable[[], float]) -> Report:
    """Decode answers of so many transfers each until that many logs are read."""
    block = next(traffic.blocks(1, transfers))
    chain = EthereumChain(_Answers(answer(block)))
    rounds = -(-logs // len(block.logs))
    events = 0
    started = clock()
    for _ in range(rounds):
        await chain.logs_of_block(_BLOCK)
    read = clock()
    for _ in range(rounds):
        events += sum(decode_host_log(log.topics, log.data) is not None for log in block.logs)
    decoded = clock()
    for _ in range(rounds):
        encode_fact(block)
    encoded = clock()
    count = rounds * len(block.logs)
    return Report(
        bench="ingest",
        setting={"logs": count, "logs per answer": len(block.logs), "events": events},
        figures=(
            Figure(
                name="raw logs to events",
                value=round(count / (decoded - started)),
                unit="logs/s",
                at_least=LOGS_PER_S,
            ),
            Figure(name="answer to raw logs", value=round(count / (read - started)), unit="logs/s"),
            Figure(name="raw logs to events alone", value=round(count / (decoded - read)), unit="logs/s"),
            Figure(name="block to record", value=round(count / (encoded - decoded)), unit="logs/s"),
        ),
    )


def answer(block: HostBlock) -> bytes:
    """The block's logs as nodes write them."""
    return msgspec.json.encode([_wire(log, block.number) for log in block.logs])


def _wire(log: Log, number: int) -> dict[str, object]:
    return {
        "address": hex_text(log.address),
        "topics": [hex_text(topic) for topic in log.topics],
        "data": hex_text(log.data),
        "blockNumber": hex(number),
        "blockHash": hex_text(_BLOCK),
        "transactionHash": hex_text(log.transaction_hash),
        "transactionIndex": "0x0",
        "logIndex": hex(log.log_index),
        "removed": False,
    }
