"""Gauges of the work queue, over all shards, as the last sweep saw it."""

from collections.abc import Callable, Sequence
from typing import Final

from streams.adapters.telemetry.metrics import Metrics
from streams.domain.work import WorkClass
from streams.ports import Demand, Unsent

# Upstream's names; there the sender counts the rows. Ours has a table of its own only.
_PROOFS: Final = "coprocessor_verify_proof_pending_gauge"
_DIGESTS: Final = "coprocessor_add_ciphertext_material_unsent_gauge"
_ANSWERS: Final = "coprocessor_verify_proof_resp_unsent_txn_gauge"


def observer(metrics: Metrics) -> Callable[[Sequence[Demand], Unsent], None]:
    """Sets the gauges from what a sweep saw; a class that nothing is open of is zero."""
    ready = metrics.gauge("cipherstream_work_ready")
    delayed = metrics.gauge("cipherstream_work_delayed")
    in_flight = metrics.gauge("cipherstream_work_in_flight")
    paused = metrics.gauge("cipherstream_work_paused")
    overdue = metrics.gauge("cipherstream_work_overdue")
    proofs = metrics.gauge(_PROOFS)
    digests = metrics.gauge(_DIGESTS)
    answers = metrics.gauge(_ANSWERS)
    rights = metrics.gauge("cipherstream_allow_handle_unsent_gauge")

    def observe(demands: Sequence[Demand], unsent: Unsent) -> None:
        digests.set(unsent.digests)
        answers.set(unsent.answers)
        rights.set(unsent.rights)
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
