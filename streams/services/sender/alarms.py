"""What an operator has to look at: in the health report, as metrics, and once in the log."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import structlog

from streams.adapters.telemetry.health import Health
from streams.adapters.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)


class Alarm(StrEnum):
    """Things that do not pass without somebody's doing, and that no call is lost by."""

    FEE_CAP = "fee_cap"  # a call needs higher fees than the settings allow
    NO_FUNDS = "no_funds"  # the sender's account cannot pay
    NODE_REFUSES = "node_refuses"  # the node does not take our bytes, for a reason of its own
    NONCE_AHEAD = "nonce_ahead"  # the node counts more transactions than we can have signed
    NOT_MINED = "not_mined"  # the first call in line waits and waits
    FOREIGN_TRANSACTION = "foreign_transaction"  # somebody else signs with our key


ALARM_GAUGE: Final = "cipherstream_sender_alarm"
ALARM_COUNTER: Final = "cipherstream_sender_alarms_raised"


class Alarms:
    """The alarms that stand."""

    def __init__(self, health: Health, metrics: Metrics) -> None:
        self._health = health
        self._standing: dict[Alarm, str] = {}
        self._gauge = metrics.gauge(ALARM_GAUGE)
        self._raised = metrics.counter(ALARM_COUNTER)
        # zeros from the start, so that a rule on an increase sees the first one
        for alarm in Alarm:
            self._gauge.labels(alarm).set(0)

    @property
    def standing(self) -> Mapping[Alarm, str]:
        """Alarms that stand, each with what it is about."""
        return self._standing

    def sound(self, alarm: Alarm, detail: str) -> None:
        """Raise an alarm, or say anew what it is about."""
        self._health.set(alarm, ok=False, detail=detail)
        if alarm not in self._standing:
            _log.error(detail, action="alarm_raised", alarm=alarm)
            self._gauge.labels(alarm).set(1)
            self._raised.labels(alarm).inc()
        self._standing[alarm] = detail

    def clear(self, alarm: Alarm) -> None:
        """It is over."""
        if self._standing.pop(alarm, None) is not None:
            self._health.set(alarm, ok=True)
            self._gauge.labels(alarm).set(0)
            _log.info("alarm is over", action="alarm_cleared", alarm=alarm)

    def told(self, alarm: Alarm, detail: str) -> None:
        """It stands while there is a detail."""
        if detail:
            self.sound(alarm, detail)
        else:
            self.clear(alarm)
