"""Facts into committed rows: one graph process, one tenant, one partition, no worker."""

import asyncio
from collections.abc import Callable
from typing import Final

from streams.adapters.kafka.log import KafkaLog
from streams.adapters.postgres.store import PostgresStore
from streams.bench import facts, traffic
from streams.bench.deployment import Deployment, deployed, opened
from streams.bench.report import Figure, Report
from streams.domain.errors import Fatal
from streams.domain.facts import HostBlock
from streams.messages.topics import EVENTS

OPERATIONS_PER_S: Final = 5_000
GOAL_PER_S: Final = 20_000
_WARM_BLOCKS: Final = 3  # first statements are prepared, and the code is in memory
_APPLIED: Final = "select 1 from consumer_offset where topic = $1 and next_off >= $2"
_MICROSECONDS: Final = 1_000_000
_AHEAD: Final = 64  # records on their way to the broker


async def measure(blocks: int, transfers: int, clock: Callable[[], float]) -> Report:
    """Publish blocks of transfers and wait until the last is applied."""
    async with deployed() as deployment, opened(deployment, KafkaLog) as (store, log):
        deployment.start("graph", {})
        warm = list(traffic.blocks(_WARM_BLOCKS, transfers))
        await facts.publish(log, facts.activation(bytes(32)), *warm)
        await deployment.until(store, _APPLIED, EVENTS, _WARM_BLOCKS + 1)
        measured = list(traffic.blocks(blocks, transfers, _WARM_BLOCKS))
        busy_s = deployment.processor_s("graph")
        seconds = await _apply(deployment, store, log, measured, clock)
        busy_s = deployment.processor_s("graph") - busy_s
        operations = blocks * transfers * len(traffic.operations())
        await _check(store, operations + _WARM_BLOCKS * transfers * len(traffic.operations()))
        memory = deployment.memory()
    return Report(
        bench="graph",
        setting={"blocks": blocks, "transfers per block": transfers, "operations": operations},
        figures=(
            Figure(
                name="first fact to last committed row",
                value=round(operations / seconds),
                unit="operations/s",
                at_least=OPERATIONS_PER_S,
            ),
            Figure(name="of the goal", value=round(100 * operations / seconds / GOAL_PER_S), unit="%"),
            Figure(
                name="graph: processor time of one operation",
                value=round(busy_s / operations * _MICROSECONDS, 1),
                unit="us",
            ),
            *memory,
        ),
    )


async def _apply(
    deployment: Deployment,
    store: PostgresStore,
    log: KafkaLog,
    blocks: list[HostBlock],
    clock: Callable[[], float],
) -> float:
    """Seconds from the first produce call to the last commit."""
    started = clock()
    for at in range(0, len(blocks), _AHEAD):
        # The producer keeps their order; waiting for each, as a listener does, would measure the broker.
        await asyncio.gather(*(facts.publish(log, block) for block in blocks[at : at + _AHEAD]))
    _, end = await log.bounds(EVENTS, 0)
    await deployment.until(store, _APPLIED, EVENTS, end)
    return clock() - started


async def _check(store: PostgresStore, operations: int) -> None:
    found = await store.pool.fetchval("select count(*) from computations")
    if found != operations:
        raise Fatal(f"{found} operations are stored, {operations} were published")
