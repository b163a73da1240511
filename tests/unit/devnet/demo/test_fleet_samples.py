import pytest

from streams.adapters.telemetry.metrics import BUSY, Metrics
from streams.devnet.demo.fleet import sample


def test_a_gauge_is_read_back() -> None:
    metrics = Metrics()
    metrics.busy.set(3)
    assert sample(metrics.text().decode(), BUSY) == 3


def test_labels_are_summed() -> None:
    metrics = Metrics()
    items = metrics.gauge("items", "Items.", ("tenant",))
    items.labels("a").set(2)
    items.labels("b").set(5)
    assert sample(metrics.text().decode(), "items") == 7


@pytest.mark.parametrize("text", ["", "# HELP items Items.\n", "items_total 4\n"])
def test_what_is_not_there_is_nothing(text: str) -> None:
    assert sample(text, "items") == 0
