"""Requests to verify an encrypted input, under upstream's names: counted when a fact tells them or cannot."""

from collections.abc import Iterable
from typing import Final

from streams.adapters.telemetry.metrics import Metrics
from streams.domain.errors import UndecodableLog
from streams.domain.events import VERIFY_PROOF_REQUEST_TOPIC, decode_gateway_log
from streams.domain.facts import GatewayLog, Log

_PREFIX: Final = "coprocessor_gw_listener_verify_proof"


class RequestMetrics:
    """A request counts once for each time that it is told: again after a reorganisation."""

    def __init__(self, metrics: Metrics) -> None:
        self._success = metrics.counter(f"{_PREFIX}_success_counter", "Requests that are facts now.")
        self._fail = metrics.counter(
            f"{_PREFIX}_fail_counter", "Requests that do not decode, or whose fact could not be published."
        )

    def told(self, logs: Iterable[GatewayLog]) -> None:
        """The fact with these logs is acknowledged."""
        for log in _requests(logs):
            (self._success if _decodes(log) else self._fail).inc()

    def lost(self, logs: Iterable[GatewayLog]) -> None:
        """The fact with these logs could not be published; it is tried again."""
        self._fail.inc(len(_requests(logs)))


def _requests(logs: Iterable[GatewayLog]) -> list[Log]:
    return [found.log for found in logs if found.log.topics[:1] == (VERIFY_PROOF_REQUEST_TOPIC,)]


def _decodes(log: Log) -> bool:
    try:
        decode_gateway_log(log.topics, log.data)
    except UndecodableLog:
        return False
    return True
