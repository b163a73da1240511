"""What a transaction did that an operator hears of: drift, disputed inputs, the slow lane, heavy records."""

from collections.abc import Callable, Iterable

import msgspec

from streams.adapters.telemetry.metrics import Metrics
from streams.domain.rows import DriftRow, ProofRow, WorkRow
from streams.domain.state import Changes, State
from streams.services.graph import drift_watch, lane_watch, proof_watch


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """Rows before and after, items that are slow now, and tenants of records that are too heavy."""

    drifted: Iterable[drift_watch.Change]
    disputed: Iterable[proof_watch.Change]
    slowed: Iterable[WorkRow]
    heavy: Iterable[str] = ()


Tell = Callable[[Findings], None]


def found_in(state: State, changes: Changes) -> Findings:
    """What there is to tell, once the transaction is committed; the state may go on meanwhile."""
    return Findings(
        drifted=state.replaced(DriftRow),
        disputed=state.replaced(ProofRow),
        slowed=lane_watch.newly_slow(state, changes),
    )


def telling(metrics: Metrics) -> Tell:
    """Counts and logs all of it."""
    drift, proofs = drift_watch.watch(metrics), proof_watch.watch(metrics)
    lanes = lane_watch.watch(metrics)
    heavy = metrics.counter("cipherstream_heavy_records")

    def tell(found: Findings) -> None:
        drift(found.drifted)
        proofs(found.disputed)
        lanes(found.slowed)
        for tenant in found.heavy:
            heavy.labels(tenant).inc()

    return tell
