"""What an operator reads of a worker on /metrics: upstream's names, per class."""

import pytest

from streams.adapters.telemetry.catalog import BY_NAME
from streams.adapters.telemetry.health import Health
from streams.adapters.telemetry.metrics import Metrics
from streams.fhe.suite import Tally
from streams.services.worker.frames import Counts
from streams.services.worker.metrics import upload_metrics, worker_metrics
from streams.services.worker.service import counting


@pytest.mark.parametrize(
    ("kind", "processed", "errors", "latency"),
    [
        (
            "tfhe",
            "coprocessor_work_items_processed",
            "coprocessor_work_items_errors",
            "coprocessor_fhe_batch_latency_seconds",
        ),
        (
            "zkproof",
            "coprocessor_work_items_processed",
            "coprocessor_work_items_errors",
            "coprocessor_zkverify_op_latency_seconds",
        ),
        (
            "sns",
            "coprocessor_sns_worker_task_execute_success_counter",
            "coprocessor_sns_worker_task_execute_failure_counter",
            "coprocessor_sns_op_latency_seconds",
        ),
    ],
)
def test_a_worker_counts_under_the_names_of_its_class(
    kind: str, processed: str, errors: str, latency: str
) -> None:
    metrics = Metrics()
    counted = worker_metrics(metrics, kind)
    counted.found.inc(3)
    counted.processed.inc(2)
    counted.errors.inc()
    counted.child_deaths.inc()
    with counted.latency.time():
        pass
    lines = metrics.text().decode().splitlines()
    for line in (
        "coprocessor_work_items_found 3.0",
        f"{processed} 2.0",
        f"{errors} 1.0",
        "coprocessor_worker_errors 1.0",
        f"{latency}_count 1.0",
    ):
        assert line in lines


@pytest.mark.parametrize("kind", ["tfhe", "zkproof", "sns"])
def test_only_who_answers_once_tells_what_came_again(kind: str) -> None:
    metrics = Metrics()
    counted = worker_metrics(metrics, kind)
    assert (counted.repeated is not None) == (kind != "zkproof")
    assert ("cipherstream_work_items_repeated" in metrics.text().decode()) == (kind != "zkproof")
    assert (f"{kind}-worker" in BY_NAME["cipherstream_work_items_repeated"].services) == (kind != "zkproof")


def test_uploads_are_counted_as_upstream_counts_them() -> None:
    metrics = Metrics()
    uploads = upload_metrics(metrics)
    uploads.success.inc(2)
    uploads.failure.inc()
    lines = metrics.text().decode().splitlines()
    assert "coprocessor_sns_worker_aws_upload_success_counter 2.0" in lines
    assert "coprocessor_sns_worker_aws_upload_failure_counter 1.0" in lines


def test_what_was_at_hand_is_counted_by_cache() -> None:
    metrics = Metrics()
    counted = worker_metrics(metrics, "tfhe")
    counted.count(Counts(key_hits=3, key_misses=1))
    counted.count(Counts(key_hits=1, suites=Tally(5, 7, 64, 128)))
    lines = metrics.text().decode().splitlines()
    for line in (
        'cipherstream_worker_cache_hits{cache="keys"} 4.0',
        'cipherstream_worker_cache_misses{cache="keys"} 1.0',
        'cipherstream_worker_cache_hits{cache="ciphertexts"} 5.0',
        'cipherstream_worker_cache_misses{cache="ciphertexts"} 7.0',
        "cipherstream_wave_look_ups 64.0",
        "cipherstream_wave_places 128.0",
    ):
        assert line in lines


@pytest.mark.parametrize("kind", ["tfhe", "sns"])
def test_a_device_that_lied_is_counted_and_makes_the_worker_unhealthy_for_good(kind: str) -> None:
    metrics, health = Metrics(), Health()
    count = counting(worker_metrics(metrics, kind), health)
    count(Counts(suites=Tally(known_answers=40)))
    assert health.snapshot().status == "healthy"
    count(Counts(suites=Tally(known_answers=2, devices_lost=1)))
    count(Counts(suites=Tally(known_answers=1)))
    assert health.snapshot().dependencies == {"devices": "fail"}
    lines = metrics.text().decode().splitlines()
    assert "cipherstream_wave_known_answers 43.0" in lines
    assert "cipherstream_wave_devices_lost 1.0" in lines
