"""Events of the executor that this version does not know: nothing is computed of them, so they are told."""

from collections.abc import Iterable
from typing import Final

import structlog

from streams.adapters.telemetry.health import Health
from streams.adapters.telemetry.metrics import Metrics
from streams.domain.digest import event_topic
from streams.domain.events import HOST_TOPICS
from streams.domain.facts import Log

# Of a proxy and its owner, which say nothing of any handle.
_OF_PROXIES: Final = frozenset(
    map(
        event_topic,
        (
            "Initialized(uint8)",
            "Initialized(uint64)",
            "Upgraded(address)",
            "AdminChanged(address,address)",
            "OwnershipTransferStarted(address,address)",
            "OwnershipTransferred(address,address)",
        ),
    )
)
_KNOWN: Final = HOST_TOPICS | _OF_PROXIES
_log = structlog.get_logger(__name__)


class UnknownEvents:
    """Counts them, names their kinds in the health report, and warns of each once."""

    def __init__(self, chain_id: int, executor: bytes, metrics: Metrics, health: Health) -> None:
        self._chain_id = chain_id
        self._executor = executor
        self._health = health
        self._counter = metrics.counter("cipherstream_executor_unknown_events").labels(chain_id)
        self._told: set[bytes] = set()
        self._health.set(self._dependency, ok=True)

    @property
    def _dependency(self) -> str:
        return f"executor.{self._chain_id}"

    def look(self, logs: Iterable[Log]) -> None:
        """Look at the logs of a block, of any contracts."""
        for log in logs:
            topic = log.topics[0] if log.topics else b""
            if log.address != self._executor or topic in _KNOWN:
                continue
            self._counter.inc()
            if topic not in self._told:
                self._told.add(topic)
                self._tell_health()
                _log.error(
                    "the executor tells what this version does not know: is it behind the contracts?",
                    action="unknown_executor_event",
                    chain_id=self._chain_id,
                    topic=f"0x{topic.hex()}",
                    transaction=f"0x{log.transaction_hash.hex()}",
                )

    def _tell_health(self) -> None:
        kinds = ", ".join(sorted(f"0x{topic.hex()}" for topic in self._told))
        detail = f"events that this version does not know: {kinds}; what needs their results waits"
        # Healthy all the same: everything else is told, and no restart would know these events.
        self._health.set(self._dependency, ok=True, detail=detail)
