"""Metrics of the sender, under the names that operators of the protocol already watch."""

import contextlib
from collections.abc import Generator

from streams.adapters.telemetry.metrics import Metrics
from streams.services.sender.encode import ADD_MATERIAL, ALLOW_HANDLE, VERIFY_PROOF
from streams.services.worker.metrics import LoopMetrics

_PREFIX = "coprocessor_txn_sender"
_COUNTED = {
    ADD_MATERIAL: "add_ciphertext_material",
    VERIFY_PROOF: "verify_proof",
    ALLOW_HANDLE: "allow_handle",
}
_UNSENT = {
    ADD_MATERIAL: "coprocessor_add_ciphertext_material_unsent_gauge",
    VERIFY_PROOF: "coprocessor_verify_proof_resp_unsent_txn_gauge",
    ALLOW_HANDLE: "coprocessor_allow_handle_unsent_gauge",
}
_LATENCY = {
    ADD_MATERIAL: "coprocessor_host_txn_latency_seconds",
    VERIFY_PROOF: "coprocessor_zkproof_txn_latency_seconds",
    ALLOW_HANDLE: "cipherstream_allow_handle_txn_latency_seconds",
}


class SenderMetrics:
    """Counts calls by kind."""

    def __init__(self, metrics: Metrics) -> None:
        self._success = {
            kind: metrics.counter(f"{_PREFIX}_{name}_success_counter", "Calls that are there.")
            for kind, name in _COUNTED.items()
        }
        self._fail = {
            kind: metrics.counter(f"{_PREFIX}_{name}_fail_counter", "Calls that failed.")
            for kind, name in _COUNTED.items()
        }
        self._unsent = {kind: metrics.gauge(name, "Calls in our hands.") for kind, name in _UNSENT.items()}
        self._latency = {
            kind: metrics.histogram(name, "From taking a call to its finality.")
            for kind, name in _LATENCY.items()
        }

    @contextlib.contextmanager
    def of(self, kind: str) -> Generator[None]:
        """Counts one call: in the hands now, then as made or failed."""
        try:
            with self._unsent[kind].track_inprogress(), self._latency[kind].time():
                yield
        except Exception:
            self._fail[kind].inc()
            raise
        self._success[kind].inc()


def loop_metrics(metrics: Metrics) -> LoopMetrics:
    """What the worker loop counts."""
    return LoopMetrics(
        busy=metrics.busy,
        found=metrics.counter("coprocessor_work_items_found", "Items taken from the topic."),
        processed=metrics.counter("coprocessor_work_items_processed", "Items that ended well."),
        errors=metrics.counter("coprocessor_work_items_errors", "Items that failed or could not be used."),
        latency=metrics.histogram("cipherstream_sender_item_seconds", "Time of one item."),
    )
