"""Metrics of the sender, under the names that operators of the protocol already watch."""

import contextlib
from collections.abc import Generator

from streams.adapters.telemetry.metrics import Metrics
from streams.ports import Clock
from streams.services.sender.encode import ADD_MATERIAL, ALLOW_HANDLE, UNKNOWN, VERIFY_PROOF
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
_LATENCY = {
    # A name of ours: upstream's is of a whole host transaction, and which commit is its last no sender knows.
    ADD_MATERIAL: "cipherstream_add_ciphertext_material_txn_latency_seconds",
    VERIFY_PROOF: "coprocessor_zkproof_txn_latency_seconds",
    ALLOW_HANDLE: "cipherstream_allow_handle_txn_latency_seconds",
}
# From a gateway that answers at once to an outage of hours; everything before the call counts, too.
_SECONDS = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0)


class SenderMetrics:
    """Counts calls by kind."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._success = {kind: metrics.counter(name) for kind, name in _SUCCESS.items()}
        self._fail = {kind: metrics.counter(name) for kind, name in _FAIL.items()}
        self._latency = {kind: metrics.histogram(name, buckets=_SECONDS) for kind, name in _LATENCY.items()}
        self._given_up = metrics.counter("cipherstream_sender_taken_calls_given_up")
        # zeros from the start, so that a rule on an increase sees the first one
        for kind in (*_SUCCESS, UNKNOWN):
            self._given_up.labels(kind)
        self._clock = clock

    def given_up(self, kind: str) -> None:
        """A call that a reorganisation took is not made again."""
        self._given_up.labels(kind).inc()

    @contextlib.contextmanager
    def of(self, kind: str, seen_ms: int) -> Generator[None]:
        """Counts one call as made or failed; for one that was made, the time since it was first asked for."""
        try:
            yield
        except Exception:
            self._fail[kind].inc()
            raise
        self._success[kind].inc()
        if seen_ms:  # else the message is of a graph that did not say it yet
            # two machines' clocks: the time may not be negative
            self._latency[kind].observe(max(0, self._clock.now_ms() - seen_ms) / 1000)


def loop_metrics(metrics: Metrics) -> LoopMetrics:
    """What the worker loop counts."""
    return LoopMetrics(
        busy=metrics.busy,
        found=metrics.counter("coprocessor_work_items_found"),
        processed=metrics.counter("coprocessor_work_items_processed"),
        repeated=None,  # a call that is asked for again is meant
        errors=metrics.counter("coprocessor_work_items_errors"),
        latency=metrics.histogram("cipherstream_sender_item_seconds"),
    )
