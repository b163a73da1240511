"""`bench catch-up`: how long a listener takes from its start block to the head of a local chain."""

import asyncio
import secrets
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from streams.commands import output
from streams.commands.devnet import JsonOption
from streams.domain.errors import BrokerError

if TYPE_CHECKING:
    from streams.adapters.ethereum.chain import EthereumChain
    from streams.adapters.kafka.log import KafkaLog
    from streams.bench.report import Report
    from streams.commands.measured import Measurements
    from streams.settings import HostChainSettings, KafkaSettings

_CONTRACT: Final = bytes.fromhex("ee" * 20)
_ELECTION_POLL_S: Final = 0.05
_BLOCKS_PER_S: Final = 200.0  # aimed at: 2,000 blocks in ten seconds
_CALLER: Final = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"  # the first account of a development node
# Copies the second word of its call, then emits it 16 times under the first word as topic.
_CODE: Final = f"0x602060205f37{'5f3560205fa1' * 16}00"


class CaughtUp(msgspec.Struct, frozen=True):
    """What was read from the chain and acknowledged by the broker."""

    blocks: int
    events: int
    seconds: float
    cpu_seconds: float  # of the listener alone; on a busy machine it says more
    blocks_per_second: float


def catch_up(
    context: typer.Context,
    blocks: Annotated[int, typer.Option(min=10, help="Between the start block and the head.")] = 2_000,
    every: Annotated[int, typer.Option(min=1, help="One block in so many has events.")] = 4,
    as_json: JsonOption = False,
    to_file: Annotated[
        Path | None, typer.Option("--output", help="File for the results, as JSON.", dir_okay=False)
    ] = None,
) -> None:
    """Blocks per second of the host listener from a local chain into a local broker, both started for it."""
    measurements: Measurements = context.obj  # made by the callback of the group, with the load from before
    with (
        tempfile.TemporaryDirectory(prefix="catch-up-") as folder,
        output.waiting("a chain and a broker are started and filled"),
    ):
        found = asyncio.run(_measure(Path(folder), blocks, every))
    report = measurements.finish(_report(found, every))
    if as_json:
        output.result(found)
    else:
        measurements.show(report)
    measurements.keep(report, to_file)


def _report(found: CaughtUp, every: int) -> "Report":
    from streams.bench.report import Figure, Report

    figures = (
        Figure(name="from the start block to the head", value=round(found.seconds, 2), unit="s"),
        Figure(
            name="told and acknowledged",
            value=round(found.blocks_per_second),
            unit="blocks/s",
            at_least=_BLOCKS_PER_S,
        ),
        Figure(name="listener: processor time", value=round(found.cpu_seconds, 2), unit="s of a core"),
    )
    setting: dict[str, int | float | str] = {
        "blocks": found.blocks,
        "one in so many has events": every,
        "events": found.events,
    }
    return Report(bench="catch-up", setting=setting, figures=figures)


async def _measure(folder: Path, blocks: int, every: int) -> CaughtUp:
    from streams.adapters.ethereum.chain import EthereumChain
    from streams.adapters.ethereum.rpc import RpcClient
    from streams.devnet import anvil, kafka, stack
    from streams.settings import HostChainSettings, KafkaSettings

    servers = await stack.start(folder, (kafka.NAME, anvil.HOST.name))
    try:
        broker = KafkaSettings(bootstrap=servers.kafka_bootstrap, prefix=f"{secrets.token_hex(4)}.")
        host = HostChainSettings(
            id=servers.host_chain_id,
            http_url=servers.host_http_url,
            acl_address=f"0x{'ac' * 20}",
            executor_address=f"0x{_CONTRACT.hex()}",
        )
        async with RpcClient(host.http_url) as rpc:
            node = EthereumChain(rpc)
            await _mine(node, blocks, every)
            events = len(await node.logs_in_range(0, blocks, [_CONTRACT]))
            return await _follow(node, host, broker, events)
    finally:
        await stack.remove(folder)


async def _mine(node: "EthereumChain", blocks: int, every: int) -> None:
    from streams.adapters.ethereum.chain import ANYTHING

    await node.rpc.call("anvil_setCode", (f"0x{_CONTRACT.hex()}", _CODE), ANYTHING)
    await node.rpc.call("evm_setAutomine", (False,), ANYTHING)
    call = {"from": _CALLER, "to": f"0x{_CONTRACT.hex()}", "data": f"0x{bytes(64).hex()}", "gas": hex(10**6)}
    for mined in range(0, blocks, every):
        await node.rpc.call("eth_sendTransaction", (call,), ANYTHING)
        await node.rpc.call("anvil_mine", (hex(min(every, blocks - mined)),), ANYTHING)


async def _elected(log: "KafkaLog") -> None:
    """New topics answer once their leaders are elected."""
    from streams.messages.topics import EVENTS

    for partition in range(await log.partitions(EVENTS)):
        while True:
            try:
                await log.bounds(EVENTS, partition)
                break
            except BrokerError:
                await asyncio.sleep(_ELECTION_POLL_S)


async def _follow(
    node: "EthereumChain", host: "HostChainSettings", broker: "KafkaSettings", events: int
) -> CaughtUp:
    from streams.adapters.kafka import topics
    from streams.adapters.kafka.declaration import load
    from streams.adapters.kafka.log import KafkaLog
    from streams.adapters.system import SystemClock
    from streams.adapters.telemetry.metrics import Metrics
    from streams.services.listener.host import HostFollower

    admin, declared = topics.connect(broker), load()
    topics.apply(admin, topics.plan(admin, broker.prefix, declared), broker.prefix, declared)
    log = KafkaLog(broker)
    follower = HostFollower(node, log, host, SystemClock(), Metrics())
    try:
        await _elected(log)
        begin_s, cpu_s, blocks = time.perf_counter(), time.process_time(), 0
        while done := await follower.step():
            blocks += done
        seconds, cpu_seconds = time.perf_counter() - begin_s, time.process_time() - cpu_s
    finally:
        await log.close()
    return CaughtUp(blocks, events, seconds, cpu_seconds, blocks / seconds)
