"""The metrics of one process: a registry of its own and collectors that can be asked for twice.

A name is exposed as it was declared, because operators already watch it: the client would add `_total` to
every counter, and a series `_created` to nearly everything. Text and labels are those of `catalog.py`; tests
may make up names of their own with a text.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from streams.adapters.telemetry.catalog import BY_NAME, Kind

_C = TypeVar("_C", Counter, Gauge, Histogram)

# From a cheap look-up to the slowest proof on one core.
SECONDS: Final = (0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
BUSY: Final = "cipherstream_busy"
_TOTAL: Final = "_total"
# The name in a line of the exposition format, be it a sample or what is said about it.
_TOTAL_NAME: Final = re.compile(rf"^(# (?:HELP|TYPE) )?(\w+){_TOTAL}(?=[ {{])", re.MULTILINE)

disable_created_metrics()


class Metrics:
    """Collectors by name; asking again for a name gives the same collector."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._collectors: dict[str, Counter | Gauge | Histogram] = {}
        self.busy = self.gauge(BUSY)

    def counter(self, name: str, text: str = "", labels: Sequence[str] = ()) -> Counter:
        """A number that only grows."""
        text, labels = _described("counter", name, text, labels)
        return self._known(name, Counter) or self._keep(
            name, Counter(name, text, labels, registry=self.registry)
        )

    def gauge(self, name: str, text: str = "", labels: Sequence[str] = ()) -> Gauge:
        """A number that goes up and down."""
        text, labels = _described("gauge", name, text, labels)
        return self._known(name, Gauge) or self._keep(name, Gauge(name, text, labels, registry=self.registry))

    def histogram(
        self, name: str, text: str = "", labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS
    ) -> Histogram:
        """A distribution, by default of seconds."""
        text, labels = _described("histogram", name, text, labels)
        return self._known(name, Histogram) or self._keep(
            name, Histogram(name, text, labels, registry=self.registry, buckets=buckets)
        )

    def text(self) -> bytes:
        """The exposition format of everything collected."""
        return _TOTAL_NAME.sub(self._as_declared, generate_latest(self.registry).decode()).encode()

    def value(self, name: str, labels: Mapping[str, str] | None = None) -> float | None:
        """What a counter or gauge says now, by its declared name; None when it does not say anything."""
        added = _TOTAL if self._is_lengthened(name) else ""
        return self.registry.get_sample_value(name + added, dict(labels or {}))

    def _as_declared(self, found: re.Match[str]) -> str:
        start, name = found.group(1) or "", found.group(2)
        return start + name if self._is_lengthened(name) else found.group()

    def _is_lengthened(self, name: str) -> bool:
        return isinstance(self._collectors.get(name), Counter) and not name.endswith(_TOTAL)

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


def _described(kind: Kind, name: str, text: str, labels: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Text and labels, of the table where none were given; raises LookupError, TypeError for another kind."""
    if text:
        return text, labels
    known = BY_NAME.get(name)
    if known is None:
        raise LookupError(f"metric {name} is not in the table")
    if known.kind != kind:
        raise TypeError(f"metric {name} is a {known.kind}")
    return known.text, known.labels
