"""Metrics of the sender, under the names that operators of the protocol already watch."""

import contextlib
from collections.abc import Generator

from streams.adapters.telemetry.metrics import Metrics
from streams.services.sender.encode import ADD_MATERIAL, ALLOW_HANDLE, VERIFY_PROOF
from streams.services.worker.metrics import LoopMetrics

_SUCCESS = {
    ADD_MATERIAL: "coprocessor_txn_sender_add_ciphertext_material_success_counter",
    VERIFY_PROOF: "coprocessor_txn_sender_verify_proof_success_counter",
    ALLOW_HANDLE: "cipherstream_allow_handle_success_counter",
}
_FAIL = {
    ADD_MATERIAL: "coprocessor_txn_sender_add_ciphertext_material_fail_counter",
    VERIFY_PROOF: "coprocessor_txn_sender_verify_proof_fail_counter",
    ALLOW_HANDLE: "cipherstream_allow_handle_fail_counter",
}
_UNSENT = {
    ADD_MATERIAL: "coprocessor_add_ciphertext_material_unsent_gauge",
    VERIFY_PROOF: "coprocessor_verify_proof_resp_unsent_txn_gauge",
    ALLOW_HANDLE: "cipherstream_allow_handle_unsent_gauge",
}
_LATENCY = {
    ADD_MATERIAL: "coprocessor_host_txn_latency_seconds",
    VERIFY_PROOF: "coprocessor_zkproof_txn_latency_seconds",
    ALLOW_HANDLE: "cipherstream_allow_handle_txn_latency_seconds",
}


class SenderMetrics:
    """Counts calls by kind."""

    def __init__(self, metrics: Metrics) -> None:
        self._success = {kind: metrics.counter(name) for kind, name in _SUCCESS.items()}
        self._fail = {kind: metrics.counter(name) for kind, name in _FAIL.items()}
        self._unsent = {kind: metrics.gauge(name) for kind, name in _UNSENT.items()}
        self._latency = {kind: metrics.histogram(name) for kind, name in _LATENCY.items()}

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
        found=metrics.counter("coprocessor_work_items_found"),
        processed=metrics.counter("coprocessor_work_items_processed"),
        errors=metrics.counter("coprocessor_work_items_errors"),
        latency=metrics.histogram("cipherstream_sender_item_seconds"),
    )
