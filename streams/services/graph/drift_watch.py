"""Drift as an operator hears of it: upstream's metrics and a line in the log for what a transaction found."""

from collections.abc import Callable, Iterable
from typing import Final

import structlog

from streams.adapters.telemetry.metrics import Metrics
from streams.domain.rows import DriftRow, DriftState

_BLOCKS: Final = (0, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)

Change = tuple[DriftRow | None, DriftRow | None]  # before and after
Watch = Callable[[Iterable[Change]], None]

_log = structlog.get_logger(__name__)


def watch(metrics: Metrics) -> Watch:
    """Counts and logs what is new in changed rows, under the names that upstream's gw-listener has for it."""
    detected = metrics.counter("coprocessor_gw_listener_drift_detected_counter")
    timeouts = metrics.counter("coprocessor_gw_listener_consensus_timeout_counter")
    absent = metrics.counter("coprocessor_gw_listener_missing_submission_counter")
    latency = metrics.histogram("coprocessor_gw_listener_consensus_latency_blocks", buckets=_BLOCKS)
    completion = metrics.histogram(
        "coprocessor_gw_listener_post_consensus_completion_blocks", buckets=_BLOCKS
    )

    def observe(changes: Iterable[Change]) -> None:
        for old, new in changes:
            if new is None:
                continue
            # Counters count the change into a state, not the state: a row is written again for other
            # reasons.
            detected.inc(_is_drift(new) and not _is_drift(old))
            timeouts.inc(_is_overdue(new) and not _is_overdue(old))
            absent.inc(len(set(new.missing) - set(old.missing if old else ())))
            if new.agreed_block >= 0 and (old is None or old.agreed_block < 0):
                latency.observe(max(0, new.agreed_block - new.opened_block))
            if new.completed_block >= 0 and (old is None or old.completed_block < 0):
                completion.observe(max(0, new.completed_block - new.agreed_block))
            _tell(old, new)

    return observe


def _is_drift(row: DriftRow | None) -> bool:
    return row is not None and (row.is_other or bool(row.differing))


def _is_overdue(row: DriftRow | None) -> bool:
    return row is not None and row.is_late and row.agreed_block < 0


_ALARMING: Final = frozenset(
    {DriftState.DRIFTED, DriftState.DISPUTED, DriftState.OVERDUE, DriftState.INCOMPLETE}
)


def _tell(old: DriftRow | None, new: DriftRow) -> None:
    before = None if old is None else old.state
    if new.state is before:
        return
    place = {"tenant": new.tenant, "handle": f"0x{new.handle.hex()}", "state": new.state}
    if new.state in _ALARMING:
        differing, missing = (
            [f"0x{sender.hex()}" for sender in senders] for senders in (new.differing, new.missing)
        )
        _log.warning("commits differ or lack", action="drift", differing=differing, missing=missing, **place)
    elif before in _ALARMING:
        _log.info("commits are in order", action="drift_over", **place)
