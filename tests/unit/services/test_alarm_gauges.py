"""What an operator reads of alarms on /metrics."""

import pytest
from structlog.testing import capture_logs

from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.clock import settle as let_run
from streams.adapters.telemetry.metrics import Metrics
from streams.domain.errors import ConfigurationError, StoreError
from streams.services.alarm_gauges import LOOK_S, AlarmGauge, Standing, watch
from streams.services.beside import beside

HALTED, DIVERGED = ("12345.aa", "halted"), ("12345.bb", "divergence_ct64")


class Table:
    """Alarms of the database; one that is away, or refuses us, answers nothing."""

    def __init__(self) -> None:
        self.standing: Standing = {HALTED: 1}
        self.error: Exception | None = None

    async def alarms(self) -> Standing:
        if self.error is not None:
            raise self.error
        return self.standing


def told(metrics: Metrics, of: tuple[str, str]) -> float | None:
    tenant, kind = of
    return metrics.value("cipherstream_alarms", {"tenant": tenant, "kind": kind})


def test_what_is_over_is_zero() -> None:
    metrics = Metrics()
    gauge = AlarmGauge(metrics)
    gauge.show({HALTED: 1, DIVERGED: 3})
    gauge.show({HALTED: 2})
    assert (told(metrics, HALTED), told(metrics, DIVERGED)) == (2, 0)


@pytest.mark.parametrize(
    "error", [StoreError("away"), ConfigurationError("another password"), ValueError("a defect")], ids=repr
)
async def test_they_are_looked_at_again_and_again_also_after_an_error(error: Exception) -> None:
    metrics, clock, table = Metrics(), FakeClock(), Table()
    async with beside(watch(table, metrics, clock)):
        await let_run()
        assert told(metrics, HALTED) == 1
        table.error, table.standing = error, {HALTED: 4}
        with capture_logs() as lines:
            await clock.advance(LOOK_S)
        assert [line["action"] for line in lines] == ["alarms_unknown"]
        assert told(metrics, HALTED) == 1
        table.error = None
        await clock.advance(LOOK_S)
        assert told(metrics, HALTED) == 4
