import pytest

from streams.adapters.telemetry.metrics import Metrics


def test_busy_counts_what_is_in_progress() -> None:
    metrics = Metrics()
    with metrics.busy.track_inprogress():
        assert b"cipherstream_busy 1.0" in metrics.text()
    assert b"cipherstream_busy 0.0" in metrics.text()


def test_asking_again_gives_the_same_collector() -> None:
    metrics = Metrics()
    metrics.counter("done", "Done.", ("tenant",)).labels("a").inc()
    metrics.counter("done", "Done.", ("tenant",)).labels("a").inc()
    assert b'done_total{tenant="a"} 2.0' in metrics.text()


def test_a_name_has_one_kind() -> None:
    metrics = Metrics()
    metrics.gauge("lag", "Lag.")
    with pytest.raises(TypeError, match="lag is a Gauge"):
        metrics.counter("lag", "Lag.")


def test_two_processes_do_not_share_collectors() -> None:
    first, second = Metrics(), Metrics()
    first.histogram("took_seconds", "Time.").observe(0.3)
    assert b"took_seconds" not in second.text()
