"""Writes docs/metrics.md out of `adapters/telemetry/catalog.py`.

Run it after a change of the table: `python -m tools.metrics_md > docs/metrics.md`. A test fails when the page
and the table differ.
"""

import sys
from collections.abc import Iterator
from typing import Final

from streams.adapters.telemetry.catalog import ABSENT, METRICS, Metric

_HEAD: Final = """\
# Metrics

What every service exposes at `/metrics`, from the table in `streams/adapters/telemetry/catalog.py`. This page
is written by `tools/metrics_md.py`. Names without `cipherstream_` are those of the existing coprocessor, with
its types, labels and units. A counter is exposed under the name as it stands here; histograms are of seconds
and have `_bucket`, `_sum` and `_count`. [operations.md](operations.md) says how to watch them.

"""
_ABSENT: Final = """
## Names of the existing coprocessor that are not here

Nothing in this topology would move them, and a number that is always zero reads as good news.

"""


def render() -> str:
    """The page."""
    return _HEAD + "\n".join(_rows()) + "\n" + _ABSENT + "\n".join(_absent()) + "\n"


def _rows() -> Iterator[str]:
    yield "| metric | type | labels | services | what |"
    yield "|---|---|---|---|---|"
    yield from map(_row, METRICS)


def _row(metric: Metric) -> str:
    labels = ", ".join(metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {_services(metric)} | {metric.text} |"


def _services(metric: Metric) -> str:
    return "all" if len(metric.services) == _ALL else ", ".join(metric.services)


def _absent() -> Iterator[str]:
    yield "| metrics | why |"
    yield "|---|---|"
    for group in ABSENT:
        yield f"| {', '.join(f'`{name}`' for name in group.names)} | {group.reason} |"


_ALL: Final = max(len(metric.services) for metric in METRICS)

if __name__ == "__main__":
    sys.stdout.write(render())
