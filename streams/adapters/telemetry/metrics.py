"""The metrics of one process: a registry of its own and collectors that can be asked for twice."""

from collections.abc import Sequence
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_C = TypeVar("_C", Counter, Gauge, Histogram)

# From a cheap look-up to the slowest proof on one core.
SECONDS: Final = (0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
BUSY: Final = "cipherstream_busy"


class Metrics:
    """Collectors by name; asking again for a name gives the same collector."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._collectors: dict[str, Counter | Gauge | Histogram] = {}
        self.busy = self.gauge(BUSY, "Items in this process's hands right now.")

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        """A number that only grows."""
        return self._known(name, Counter) or self._keep(
            name, Counter(name, text, labels, registry=self.registry)
        )

    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        """A number that goes up and down."""
        return self._known(name, Gauge) or self._keep(name, Gauge(name, text, labels, registry=self.registry))

    def histogram(
        self, name: str, text: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS
    ) -> Histogram:
        """A distribution, by default of seconds."""
        return self._known(name, Histogram) or self._keep(
            name, Histogram(name, text, labels, registry=self.registry, buckets=buckets)
        )

    def text(self) -> bytes:
        """The exposition format of everything collected."""
        return generate_latest(self.registry)

    def _known(self, name: str, kind: type[_C]) -> _C | None:
        collector = self._collectors.get(name)
        if collector is None:
            return None
        if not isinstance(collector, kind):
            raise TypeError(f"metric {name} is a {type(collector).__name__}")
        return collector

    def _keep(self, name: str, collector: _C) -> _C:
        self._collectors[name] = collector
        return collector
