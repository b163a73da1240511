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
    assert metrics.value("done", {"tenant": "a"}) == 2.0


def test_names_are_exposed_as_they_were_declared() -> None:
    metrics = Metrics()
    metrics.counter("errors", "errors_total is what the client would say.", ("of",)).labels("a_total 1").inc()
    metrics.counter("blocks_total", "Declared so.").inc(3)
    metrics.histogram("took_seconds", "Time.", buckets=(1.0,)).observe(0.5)
    text = metrics.text().decode()
    assert '# TYPE errors counter\nerrors{of="a_total 1"} 1.0\n' in text
    assert "# HELP errors errors_total is what the client would say.\n" in text
    assert "# TYPE blocks_total counter\nblocks_total 3.0\n" in text
    assert "_created" not in text


def test_a_value_is_asked_for_by_its_declared_name() -> None:
    metrics = Metrics()
    metrics.counter("errors", "Errors.").inc()
    metrics.counter("blocks_total", "Blocks.").inc(2)
    metrics.gauge("lag", "Lag.").set(3)
    asked = ("errors", "blocks_total", "lag", "unknown")
    assert [metrics.value(name) for name in asked] == [1.0, 2.0, 3.0, None]


def test_a_name_has_one_kind() -> None:
    metrics = Metrics()
    metrics.gauge("lag", "Lag.")
    with pytest.raises(TypeError, match="lag is a Gauge"):
        metrics.counter("lag", "Lag.")


def test_two_processes_do_not_share_collectors() -> None:
    first, second = Metrics(), Metrics()
    first.histogram("took_seconds", "Time.").observe(0.3)
    assert b"took_seconds" not in second.text()
