"""Metrics of the workers, under the names that operators of the protocol already watch."""

from collections.abc import Sequence
from typing import Final

import msgspec
from prometheus_client import Counter, Gauge, Histogram

from streams.adapters.telemetry.metrics import Metrics

_LATENCY: Final = {
    "tfhe": ("coprocessor_fhe_batch_latency_seconds", "Time of one component."),
    "zkproof": ("coprocessor_zkverify_op_latency_seconds", "Time of one encrypted input."),
    "sns": ("coprocessor_sns_op_latency_seconds", "Time of one squashing with its uploads."),
}
_COUNTERS: Final = {
    "tfhe": ("coprocessor_work_items_processed", "coprocessor_work_items_errors"),
    "zkproof": ("coprocessor_work_items_processed", "coprocessor_work_items_errors"),
    "sns": (
        "coprocessor_sns_worker_task_execute_success_counter",
        "coprocessor_sns_worker_task_execute_failure_counter",
    ),
}


class LoopMetrics(msgspec.Struct, frozen=True):
    """What every loop over work items counts."""

    busy: Gauge
    found: Counter
    processed: Counter
    errors: Counter
    latency: Histogram


class WorkerMetrics(LoopMetrics, frozen=True):
    """What a worker counts that computes in children."""

    child_deaths: Counter


class UploadMetrics(msgspec.Struct, frozen=True):
    """What sns-worker counts about the object store, and its tasks until both objects are there."""

    tasks: Gauge
    success: Counter
    failure: Counter
    unfinished: Gauge


def worker_metrics(metrics: Metrics, kind: str, buckets: Sequence[float] | None = None) -> WorkerMetrics:
    """Collectors of a worker of that class."""
    name, text = _LATENCY[kind]
    processed, errors = _COUNTERS[kind]
    latency = metrics.histogram(name, text, (), buckets) if buckets else metrics.histogram(name, text)
    return WorkerMetrics(
        busy=metrics.busy,
        found=metrics.counter("coprocessor_work_items_found", "Items taken from the topic."),
        processed=metrics.counter(processed, "Items that ended well."),
        errors=metrics.counter(errors, "Items that failed, and records that could not be used."),
        latency=latency,
        child_deaths=metrics.counter("coprocessor_worker_errors", "Children that had to be replaced."),
    )


def upload_metrics(metrics: Metrics) -> UploadMetrics:
    """Collectors of the uploads."""
    prefix = "coprocessor_sns_worker_"
    return UploadMetrics(
        tasks=metrics.gauge(f"{prefix}uncomplete_tasks_gauge", "Ciphertexts that are not published yet."),
        success=metrics.counter(f"{prefix}aws_upload_success_counter", "Objects that are in the store."),
        failure=metrics.counter(f"{prefix}aws_upload_failure_counter", "Uploads that failed."),
        unfinished=metrics.gauge(f"{prefix}uncomplete_aws_uploads_gauge", "Objects on their way."),
    )
