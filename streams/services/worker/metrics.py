"""Metrics of the workers, under the names that operators of the protocol already watch."""

from collections.abc import Sequence
from typing import Final

import msgspec
from prometheus_client import Counter, Gauge, Histogram

from streams.adapters.telemetry.metrics import Metrics
from streams.services.worker.frames import Counts

_LATENCY: Final = {
    "tfhe": "coprocessor_fhe_batch_latency_seconds",
    "zkproof": "coprocessor_zkverify_op_latency_seconds",
    "sns": "coprocessor_sns_op_latency_seconds",
}
_COUNTERS: Final = {
    "tfhe": ("coprocessor_work_items_processed", "coprocessor_work_items_errors"),
    "zkproof": ("coprocessor_work_items_processed", "coprocessor_work_items_errors"),
    "sns": (
        "coprocessor_sns_worker_task_execute_success_counter",
        "coprocessor_sns_worker_task_execute_failure_counter",
    ),
}
_ANSWERED_ONCE: Final = ("tfhe", "sns")  # see _PURE of the loop: the others repeat what is asked again


class LoopMetrics(msgspec.Struct, frozen=True):
    """What every loop over work items counts."""

    busy: Gauge
    found: Counter
    processed: Counter
    repeated: Counter | None  # answered before, and not computed again; None where that never happens
    errors: Counter
    latency: Histogram


class WorkerMetrics(LoopMetrics, frozen=True):
    """What a worker counts that computes in children."""

    child_deaths: Counter
    cache_hits: Counter  # by cache
    cache_misses: Counter
    look_ups: Counter
    places: Counter
    known_answers: Counter
    devices_lost: Counter

    def count(self, came: Counts) -> None:
        """Add what a child told."""
        self.cache_hits.labels(cache="keys").inc(came.key_hits)
        self.cache_misses.labels(cache="keys").inc(came.key_misses)
        self.cache_hits.labels(cache="ciphertexts").inc(came.suites.hits)
        self.cache_misses.labels(cache="ciphertexts").inc(came.suites.misses)
        self.look_ups.inc(came.suites.look_ups)
        self.places.inc(came.suites.places)
        self.known_answers.inc(came.suites.known_answers)
        self.devices_lost.inc(came.suites.devices_lost)


class UploadMetrics(msgspec.Struct, frozen=True):
    """What sns-worker counts about the object store, and its tasks until both objects are there."""

    tasks: Gauge
    success: Counter
    failure: Counter
    unfinished: Gauge
    backlog: Gauge


def worker_metrics(metrics: Metrics, kind: str, buckets: Sequence[float] | None = None) -> WorkerMetrics:
    """Collectors of a worker of that class."""
    name = _LATENCY[kind]
    processed, errors = _COUNTERS[kind]
    latency = metrics.histogram(name, buckets=buckets) if buckets else metrics.histogram(name)
    return WorkerMetrics(
        busy=metrics.busy,
        found=metrics.counter("coprocessor_work_items_found"),
        processed=metrics.counter(processed),
        repeated=metrics.counter("cipherstream_work_items_repeated") if kind in _ANSWERED_ONCE else None,
        errors=metrics.counter(errors),
        latency=latency,
        child_deaths=metrics.counter("coprocessor_worker_errors"),
        cache_hits=metrics.counter("cipherstream_worker_cache_hits"),
        cache_misses=metrics.counter("cipherstream_worker_cache_misses"),
        look_ups=metrics.counter("cipherstream_wave_look_ups"),
        places=metrics.counter("cipherstream_wave_places"),
        known_answers=metrics.counter("cipherstream_wave_known_answers"),
        devices_lost=metrics.counter("cipherstream_wave_devices_lost"),
    )


def upload_metrics(metrics: Metrics) -> UploadMetrics:
    """Collectors of the uploads."""
    return UploadMetrics(
        tasks=metrics.gauge("coprocessor_sns_worker_uncomplete_tasks_gauge"),
        success=metrics.counter("coprocessor_sns_worker_aws_upload_success_counter"),
        failure=metrics.counter("coprocessor_sns_worker_aws_upload_failure_counter"),
        unfinished=metrics.gauge("coprocessor_sns_worker_uncomplete_aws_uploads_gauge"),
        backlog=metrics.gauge("cipherstream_sns_backlog"),
    )
