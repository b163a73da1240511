"""Gauges of the work queue, over all shards, as the last sweep saw it."""

from collections.abc import Callable, Sequence
from typing import Final

from streams.adapters.telemetry.metrics import Metrics
from streams.domain.work import WorkClass
from streams.ports import Demand

# Upstream's name; there the sender counts the rows without a verdict.
_PROOFS: Final = "coprocessor_verify_proof_pending_gauge"


def observer(metrics: Metrics) -> Callable[[Sequence[Demand], int], None]:
    """Sets the gauges from what a sweep saw; a class that nothing is open of is zero."""
    ready = metrics.gauge("cipherstream_work_ready")
    delayed = metrics.gauge("cipherstream_work_delayed")
    in_flight = metrics.gauge("cipherstream_work_in_flight")
    paused = metrics.gauge("cipherstream_work_paused")
    overdue = metrics.gauge("cipherstream_work_overdue")
    proofs = metrics.gauge(_PROOFS)
    digests = metrics.gauge("cipherstream_digests_unsent")

    def observe(demands: Sequence[Demand], unsent: int) -> None:
        digests.set(unsent)
        # every class, also without rows: a gauge that is never set keeps its last value
        for work_class in WorkClass:
            found = [demand for demand in demands if demand.work_class == work_class]
            ready.labels(work_class).set(sum(demand.ready for demand in found))
            delayed.labels(work_class).set(sum(demand.delayed for demand in found))
            in_flight.labels(work_class).set(sum(demand.in_flight for demand in found))
            paused.labels(work_class).set(sum(demand.paused for demand in found))
            overdue.labels(work_class).set(sum(demand.overdue for demand in found))
        unverified = [demand for demand in demands if demand.work_class == WorkClass.ZKPROOF]
        proofs.set(sum(d.ready + d.delayed + d.paused + d.in_flight for d in unverified))

    return observe
