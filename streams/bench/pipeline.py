"""Event to dispatch: from the listener's produce call to the delivery report on work.tfhe.v1.

One graph process and one tfhe-worker of the engine `clear`, blocks at a steady pace. Of two processors the
graph has one, the broker and the database the other, as if those had machines of their own. The report's time
is that at which the graph's producer has it, as the table keeps it. Both clocks are the machine's.

Beside it stands what as many records take where nothing is decided (`echo`): about what no graph can save.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from streams.adapters.kafka.log import KafkaLog
from streams.adapters.postgres.store import PostgresStore
from streams.bench import echo, facts, processors, traffic
from streams.bench.deployment import Deployment, deployed, opened
from streams.bench.report import Figure, Report, percentile
from streams.devnet import kafka, postgres
from streams.domain.control import KeySetAnnouncement
from streams.domain.errors import Fatal
from streams.domain.facts import HostBlock, encode_fact
from streams.domain.operands import handle_type
from streams.domain.results import Ciphertext, Computed, encode_result
from streams.fhe import clear
from streams.fhe.key_objects import CLEAR_MAGIC
from streams.fhe.keyset import KeyStore
from streams.messages.codec import encode, key_of
from streams.messages.topics import EVENTS, RESULTS
from streams.ports import Position

BLOCKS_PER_MINUTE: Final = 200
OPERATIONS_PER_BLOCK: Final = 50
P50_MS: Final = 10.0
P99_MS: Final = 100.0
_WARM_BLOCKS: Final = 10
_ECHOED: Final = 50  # blocks, at most
_SLOTS: Final = 32  # of the worker: credit for several blocks, so that nothing waits for the worker
_APPLIED: Final = "select 1 from consumer_offset where topic = $1 and next_off >= $2"
_WORKER_IS_SEEN: Final = (
    "select 1 where (select count(*) from work_items where state = 'done' and work_class = 'tfhe') >= $1"
)
_DISPATCHED: Final = """
select event_id, (extract(epoch from dispatched_at) * 1000)::float8 as at_ms from work_items
where work_class = 'tfhe' and dispatched_at is not null
"""


async def measure(seconds: float, clock: Callable[[], float]) -> Report:
    """Publish blocks for so long, at 200 a minute."""
    transfers = -(-OPERATIONS_PER_BLOCK // len(traffic.operations()))
    blocks = max(1, round(seconds * BLOCKS_PER_MINUTE / 60))
    total = (blocks + _WARM_BLOCKS) * transfers
    of_graph, of_servers = processors.ends()
    echoed = await _echoed(min(blocks, _ECHOED), transfers)
    async with deployed() as deployment, opened(deployment, _Clocked) as (store, log):
        is_apart = deployment.keep_to(of_servers, kafka.NAME, postgres.NAME) and of_graph != of_servers
        await _prepare(deployment, store, log, total)
        warm = list(traffic.blocks(_WARM_BLOCKS, transfers))
        await facts.publish(log, *warm)
        await deployment.until(store, _WORKER_IS_SEEN, _WARM_BLOCKS * transfers)
        if is_apart:
            deployment.keep_to(of_graph, "graph")
        measured = list(traffic.blocks(blocks, transfers, _WARM_BLOCKS))
        produced = await _publish(log, measured, clock)
        await deployment.until(store, _WORKER_IS_SEEN, total)
        waits = await _waits(store, produced)
        memory = deployment.memory()
    if len(waits) != blocks * transfers:
        raise Fatal(f"{len(waits)} items were dispatched, {blocks * transfers} were published")
    return Report(
        bench="pipeline",
        setting={
            "blocks": blocks,
            "blocks/min": BLOCKS_PER_MINUTE,
            "items": len(waits),
            "processors": "graph apart from the servers" if is_apart else "shared",
        },
        figures=(
            Figure(name="event to dispatch, p50", value=_ms(waits, 50), unit="ms", at_most=P50_MS),
            Figure(name="event to dispatch, p99", value=_ms(waits, 99), unit="ms", at_most=P99_MS),
            Figure(name="event to dispatch, longest", value=round(max(waits), 1), unit="ms"),
            Figure(name="there and back with nothing decided, p50", value=_ms(echoed, 50), unit="ms"),
            *memory,
        ),
    )


async def _echoed(blocks: int, transfers: int) -> list[float]:
    """The same without services, after a few blocks that warm it up."""
    values = [encode_fact(block)[0] for block in traffic.blocks(blocks + _WARM_BLOCKS, transfers)]
    found = await echo.waits(values, transfers, 60 / BLOCKS_PER_MINUTE)
    return found[_WARM_BLOCKS * transfers :]


async def _prepare(deployment: Deployment, store: PostgresStore, log: KafkaLog, transfers: int) -> None:
    """Keys, services, and the ciphertexts that the transfers need."""
    keys = deployment.state.root / "bench-keys"
    digest = await asyncio.to_thread(_make_keys, keys)
    announcement = KeySetAnnouncement(
        key_id=facts.KEY_ID, digest=digest, engine="clear", release="clear 1", urls=()
    )
    await log.append("keysets.v1", key=key_of(announcement), value=encode(announcement))
    deployment.start("graph", {})
    engine = {"engine": {"name": "clear", "workers": _SLOTS}, "devnet": {"chains": [traffic.CHAIN]}}
    deployment.start("tfhe-worker", {"keys": {"directory": str(keys)}, **engine})
    await facts.publish(log, facts.activation(digest))
    await deployment.until(store, _APPLIED, EVENTS, 1)
    for serial in range(transfers):
        await log.append(RESULTS, key=traffic.TENANT.encode(), value=encode_result(_inputs(serial)))
    await deployment.until(store, _APPLIED, RESULTS, transfers)


def _make_keys(folder: Path) -> bytes:
    folder.mkdir(parents=True)
    source = folder / "clear"
    source.write_bytes(CLEAR_MAGIC + bytes(32))
    return KeyStore(folder).add_keyset(source)


def _inputs(serial: int) -> Computed:
    """Balances and amount of a transfer, as if an item before had computed them."""
    ciphertexts = tuple(
        Ciphertext(
            handle=handle,
            fhe_type=handle_type(handle),
            ct64=clear.encode(clear.STORED, clear.ClearValue(handle_type(handle), serial)),
        )
        for handle in traffic.inputs(serial)
    )
    return Computed(
        item=f"input/{serial}", attempt=0, worker="bench", key_id=facts.KEY_ID, ciphertexts=ciphertexts
    )


class _Clocked(KafkaLog):
    """Notes when it was given the last record, in ms of the wall clock."""

    at_ms = 0.0

    async def append(self, topic: str, **record: Any) -> Position:
        self.at_ms = time.time() * 1000
        return await super().append(topic, **record)


async def _publish(log: _Clocked, blocks: list[HostBlock], clock: Callable[[], float]) -> dict[str, float]:
    """When each block was handed to the producer, in ms of the wall clock."""
    produced: dict[str, float] = {}
    first_s = clock()
    for number, block in enumerate(blocks):
        await asyncio.sleep(max(0.0, first_s + number * 60 / BLOCKS_PER_MINUTE - clock()))
        await facts.publish(log, block)
        produced[facts.event_id(block)] = log.at_ms
    return produced


async def _waits(store: PostgresStore, produced: dict[str, float]) -> list[float]:
    rows = await store.pool.fetch(_DISPATCHED)
    own = [row for row in rows if row["event_id"] in produced]
    return [row["at_ms"] - produced[row["event_id"]] for row in own]


def _ms(waits: list[float], percent: int) -> float:
    return round(percentile(waits, percent), 1)
