"""What gw-listener counts, under upstream's names: requests that facts tell or not, answers of the node."""

import contextlib
from collections.abc import Generator, Iterable

from prometheus_client import Counter

from streams.adapters.telemetry.metrics import Metrics
from streams.domain.errors import UndecodableLog
from streams.domain.events import VERIFY_PROOF_REQUEST_TOPIC, decode_gateway_log
from streams.domain.facts import GatewayLog, Log


class RequestMetrics:
    """A request counts once for each time that it is told: again after a reorganisation."""

    def __init__(self, metrics: Metrics) -> None:
        self._success = metrics.counter("coprocessor_gw_listener_verify_proof_success_counter")
        self._fail = metrics.counter("coprocessor_gw_listener_verify_proof_fail_counter")

    def told(self, logs: Iterable[GatewayLog]) -> None:
        """The fact with these logs is acknowledged."""
        for log in _requests(logs):
            (self._success if _decodes(log) else self._fail).inc()

    def lost(self, logs: Iterable[GatewayLog]) -> None:
        """The fact with these logs could not be published; it is tried again."""
        self._fail.inc(len(_requests(logs)))


class AnswerMetrics:
    """What the gateway's node is asked, as answered or not."""

    def __init__(self, metrics: Metrics) -> None:
        self._head = (
            metrics.counter("coprocessor_gw_listener_get_block_num_success_counter"),
            metrics.counter("coprocessor_gw_listener_get_block_num_fail_counter"),
        )
        self._logs = (
            metrics.counter("coprocessor_gw_listener_get_logs_success_counter"),
            metrics.counter("coprocessor_gw_listener_get_logs_fail_counter"),
        )

    def head(self) -> contextlib.AbstractContextManager[None]:
        """Counts one question for the newest block."""
        return _counted(*self._head)

    def logs(self) -> contextlib.AbstractContextManager[None]:
        """Counts the reading of one range."""
        return _counted(*self._logs)


@contextlib.contextmanager
def _counted(success: Counter, fail: Counter) -> Generator[None]:
    try:
        yield
    except Exception:
        fail.inc()
        raise
    success.inc()


def _requests(logs: Iterable[GatewayLog]) -> list[Log]:
    return [found.log for found in logs if found.log.topics[:1] == (VERIFY_PROOF_REQUEST_TOPIC,)]


def _decodes(log: Log) -> bool:
    try:
        decode_gateway_log(log.topics, log.data)
    except UndecodableLog:
        return False
    return True
