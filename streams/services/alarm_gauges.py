"""Alarms as a gauge: what an operator must see, looked at every few seconds, for dashboards and alerts.

Every graph process tells all tenants, so a query takes the maximum over processes.
"""

from collections.abc import Mapping
from typing import Final, Protocol

import structlog

from streams.adapters.telemetry.metrics import Metrics
from streams.domain.errors import ConfigurationError, StoreError
from streams.ports import Clock

LOOK_S: Final = 15.0

_log = structlog.get_logger(__name__)

Standing = Mapping[tuple[str, str], int]  # by tenant and kind


class Alarms(Protocol):
    """Where alarms are."""

    async def alarms(self) -> Standing:
        """Those that stand; raises StoreError."""
        ...


class AlarmGauge:
    """The gauge of all tenants and kinds that were seen."""

    def __init__(self, metrics: Metrics) -> None:
        self._gauge = metrics.gauge("cipherstream_alarms")
        self._seen: set[tuple[str, str]] = set()

    def show(self, standing: Standing) -> None:
        """Set it; what is over is zero, or it would keep its last value."""
        self._seen |= standing.keys()
        for tenant, kind in self._seen:
            self._gauge.labels(tenant, kind).set(standing.get((tenant, kind), 0))


async def watch(alarms: Alarms, metrics: Metrics, clock: Clock) -> None:
    """Look for ever; while the database is away the gauge stands still."""
    gauge = AlarmGauge(metrics)
    while True:
        try:
            gauge.show(await alarms.alarms())
        except (StoreError, ConfigurationError) as error:
            _log.warning("alarms are not known", action="alarms_unknown", error=str(error))
        except Exception as error:
            # A defect, and no reason to hide alarms for ever: the next look may be of something else.
            _log.error("alarms are not known", action="alarms_unknown", exc_info=error)
        await clock.sleep(LOOK_S)
