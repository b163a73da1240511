"""Lag as gauges: what `cipherstream lag` shows, looked at every few seconds, for dashboards and alerts.

Every graph process tells all readers, so a query takes the maximum over processes. No record is read for its
age: a reader is as old as this process has seen the end of the log beyond it.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from streams.adapters.telemetry.metrics import Metrics
from streams.domain.errors import BrokerError, ConfigurationError, StoreError
from streams.services.lag import Lag, Place, Sources, look

LOOK_S: Final = 15.0
# More looks than that and the oldest pair is thinned out: an age is then known to an hour, which is enough.
_LOOKS_MAX: Final = 240

_log = structlog.get_logger(__name__)


class Ages:
    """How long readers have been behind, from where the ends of their logs were at earlier looks."""

    def __init__(self) -> None:
        self._ends: dict[Place, deque[tuple[float, int]]] = {}

    def seconds(self, lag: Lag, now_s: float) -> float:
        """For how long the first record that is not finished has been seen."""
        ends = self._ends.setdefault(lag.place, deque(maxlen=_LOOKS_MAX))
        while ends and ends[0][1] <= lag.position:
            ends.popleft()
        if not lag.records:
            return 0.0
        if not ends or ends[-1][1] < lag.end:
            if len(ends) == _LOOKS_MAX:
                # the first pair holds the age; the one behind it is the least worth keeping
                del ends[1]
            ends.append((now_s, lag.end))
        return now_s - ends[0][0]


class LagGauges:
    """The gauges of all readers."""

    def __init__(self, metrics: Metrics) -> None:
        self._position = metrics.gauge("cipherstream_consumer_position")
        self._records = metrics.gauge("cipherstream_consumer_lag_records")
        self._seconds = metrics.gauge("cipherstream_consumer_lag_seconds")
        self._cut = metrics.gauge("cipherstream_consumer_cut")
        self._looked = metrics.gauge("cipherstream_consumer_lag_timestamp_seconds")
        self._ages = Ages()

    def show(self, lags: Sequence[Lag], now_ms: int) -> None:
        """Set them from one look."""
        for lag in lags:
            reader = (lag.group, lag.topic, str(lag.partition))
            self._position.labels(*reader).set(lag.position)
            self._records.labels(*reader).set(lag.records)
            self._seconds.labels(*reader).set(self._ages.seconds(lag, now_ms / 1_000))
            self._cut.labels(*reader).set(lag.state == "cut")
        self._looked.set(now_ms / 1_000)


async def watch(sources: Sources, metrics: Metrics) -> None:
    """Look for ever; while broker or database are away the gauges stand still, and their time says so."""
    gauges = LagGauges(metrics)
    while True:
        try:
            gauges.show(await look(sources), sources.clock.now_ms())
        except (BrokerError, StoreError, ConfigurationError) as error:
            _log.warning("lag is not known", action="lag_unknown", error=str(error))
        except Exception as error:
            # A defect, and no reason to show an old lag for ever: the next look may be of something else.
            _log.error("lag is not known", action="lag_unknown", exc_info=error)
        await sources.clock.sleep(LOOK_S)
