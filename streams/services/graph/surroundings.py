"""What the owners of one process share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streams.adapters.telemetry.tracing import OFF, Tracing
from streams.domain.decide import Rules
from streams.ports import Clock, Demand, Log, Store, Unsent
from streams.services.graph.claims import Market
from streams.services.graph.findings import Findings, Tell
from streams.services.graph.outgoing import Seal, inline
from streams.services.graph.remembered import Remembered
from streams.settings import GraphSettings


class Feed(Protocol):
    """The reader of events.v1, which belongs to Faust."""

    async def seek(self, shard: int, offset: int) -> None:
        """Read the shard's events again from there."""
        ...

    def end(self, shard: int) -> int | None:
        """Offset after the last event that the broker has, as far as the reader knows."""
        ...


def _nothing() -> None: ...


def _no_health(name: str, ok: bool, detail: str) -> None:
    del name, ok, detail


def _no_demand(demands: Sequence[Demand], unsent: Unsent) -> None:
    del demands, unsent


def _no_findings(found: Findings) -> None:
    del found


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Ports and shared knowledge; `owner` is this process's name in `shard_owner`."""

    owner: str
    store: Store
    log: Log
    clock: Clock
    market: Market
    rules: Rules
    feed: Feed
    graph: GraphSettings
    seal: Seal = inline
    health: Callable[[str, bool, str], None] = _no_health
    observe: Callable[[Sequence[Demand], Unsent], None] = _no_demand  # what a sweep saw, for metrics
    tell: Tell = _no_findings  # what a transaction changed, for metrics and log
    tracing: Tracing = OFF
    remembered: Remembered = field(default_factory=Remembered)
    changed: Callable[[], None] = _nothing  # called when `busy` of an owner may be another
