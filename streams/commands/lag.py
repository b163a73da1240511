"""`lag`: how far every reader of the topics is behind."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands import output
from streams.commands.devnet import JsonOption

if TYPE_CHECKING:
    from streams.services.lag import Lag

# A worker may take a minute for one item, and its position stands still meanwhile.
_INTERVAL_S = 60.0


def lag(
    interval: Annotated[
        float,
        typer.Option(min=0, help="Seconds without progress after which a reader is stuck; 0: one look."),
    ] = _INTERVAL_S,
    every: Annotated[bool, typer.Option("--all", help="Show partitions that are not behind, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show records and seconds behind by group, topic and partition.

    Waits until every reader that is behind has moved, at most the interval. Exit code 1 when one has not, or
    when a log no longer holds what its reader needs next.
    """
    from streams.services.lag import by_topic

    lags = asyncio.run(_measure(interval))
    if as_json:
        output.result({"interval_s": interval, "topics": by_topic(lags), "partitions": lags})
    else:
        _show(lags, every)
    for one in lags:
        if one.reason:
            output.say(one.reason)
    raise typer.Exit(0 if all(one.state == "ok" for one in lags) else 1)


async def _measure(interval_s: float) -> "tuple[Lag, ...]":
    from streams.adapters.kafka.log import KafkaLog
    from streams.adapters.kafka.positions import KafkaPositions
    from streams.adapters.postgres import migrate, pool
    from streams.adapters.postgres.progress import Progress
    from streams.adapters.system import SystemClock
    from streams.services.lag import Sources, measure
    from streams.settings import load_settings

    settings = load_settings()
    connections, log = await pool.open_pool(settings.postgres, 1), KafkaLog(settings.kafka)
    try:
        await migrate.check(connections)
        broker, applied = KafkaPositions(settings.kafka), Progress(connections)
        return await measure(Sources(broker, log, applied, SystemClock()), interval_s)
    finally:
        await log.close()
        await connections.close()


def _show(lags: "Sequence[Lag]", every: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from streams.services.lag import by_topic

    table = Table("group", "topic", box=None)
    for name in ("partition", "records", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("state")
    for topic in by_topic(lags):
        cells = (topic.group, topic.topic, "all", str(topic.records), _seconds(topic.seconds))
        table.add_row(*cells, topic.state)
        for one in lags:
            is_told = every or one.records or one.state != "ok"
            if (one.group, one.topic) == (topic.group, topic.topic) and is_told:
                table.add_row("", "", str(one.partition), str(one.records), _seconds(one.seconds), one.state)
    Console(highlight=False).print(table)


def _seconds(value: float | None) -> str:
    return "?" if value is None else f"{value:.1f}"
