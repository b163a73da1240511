"""The slow lane as an operator hears of it: how many components of each chain a transaction put there."""

from collections.abc import Callable, Iterable

from streams.adapters.telemetry.metrics import Metrics
from streams.domain.facts import chain_of
from streams.domain.rows import WorkRow
from streams.domain.state import Changes, State

Watch = Callable[[Iterable[WorkRow]], None]


def watch(metrics: Metrics) -> Watch:
    """Counts by host chain, under the name of upstream's host-listener, which decides it there."""
    marked = metrics.counter("host_listener_slow_lane_marked_chains_total")

    def observe(slowed: Iterable[WorkRow]) -> None:
        for item in slowed:
            marked.labels(chain_of(item.tenant)).inc()

    return observe


def newly_slow(state: State, changes: Changes) -> list[WorkRow]:
    """Items that these changes put into the slow lane; those that were there before are not counted again."""
    # nearly always nothing: where no item is slow, nobody looks for what was before
    if not any(row.priority < 0 for row in changes.rows(WorkRow)):
        return []
    return [
        new
        for old, new in state.replaced(WorkRow)
        if new is not None and new.priority < 0 and (old is None or old.priority >= 0)
    ]
