"""Disputed input proofs as an operator hears of them: upstream's metric and a line in the log."""

from collections.abc import Callable, Iterable

import structlog

from streams.adapters.telemetry.metrics import Metrics
from streams.domain.rows import ProofRow, Standing

Change = tuple[ProofRow | None, ProofRow | None]  # before and after
Watch = Callable[[Iterable[Change]], None]

_log = structlog.get_logger(__name__)


def watch(metrics: Metrics) -> Watch:
    """Counts requests that are verified again, and logs those on which we and the gateway differ."""
    replays = metrics.counter("coprocessor_gw_listener_verify_proof_replay_counter")

    def observe(changes: Iterable[Change]) -> None:
        for old, new in changes:
            before = Standing.OPEN if old is None else old.standing
            after = Standing.OPEN if new is None else new.standing
            if new is None or after is before:
                continue
            replays.inc(after is Standing.DISPUTED and bool(new.accepted))
            _tell(before, new)

    return observe


def _tell(before: Standing, row: ProofRow) -> None:
    place = {"tenant": row.tenant, "zk_proof_id": row.zk_proof_id, "standing": row.standing}
    if row.standing is Standing.DISPUTED:
        verdicts = {"accepted": row.accepted, "verified": row.verified, "reason": row.last_error}
        _log.error("we and the gateway differ over an input", action="proof_disputed", **verdicts, **place)
    elif before is Standing.DISPUTED:
        _log.info("an input is disputed no more", action="proof_dispute_over", **place)
