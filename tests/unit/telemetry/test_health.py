from streams.adapters.telemetry.health import Health


def test_nothing_reported_is_healthy() -> None:
    report = Health().snapshot()
    assert (report.status_code, report.status, report.dependencies) == (200, "healthy", {})


def test_one_failing_dependency_makes_it_unhealthy() -> None:
    health = Health()
    health.set("database", True)
    health.set("blockchain", False, "connection refused")
    report = health.snapshot()
    assert (report.status_code, report.status) == (503, "unhealthy")
    assert report.dependencies == {"blockchain": "fail", "database": "ok"}
    assert report.details == {"blockchain": "connection refused"}


def test_what_everybody_may_read_is_masked_like_a_log() -> None:
    health = Health()
    health.set("keys", False, "KeySet from https://mirror:hunter2hunter2@kms/bucket: ConnectError")
    assert health.snapshot().details == {
        "keys": "KeySet from https://mirror:**********@kms/bucket: ConnectError"
    }


def test_it_recovers_when_the_dependency_does() -> None:
    health = Health()
    health.set("kafka", False, "away")
    health.set("kafka", True)
    assert health.snapshot().status_code == 200
    assert health.snapshot().details == {}
