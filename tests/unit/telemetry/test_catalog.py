"""One table of metrics: the code exposes what it says, upstream's names are all in it, the page shows it."""

import re
from pathlib import Path

import pytest

from streams.adapters.telemetry.catalog import ABSENT, BY_NAME, METRICS, Absent, absent_names
from streams.adapters.telemetry.metrics import Metrics
from tools import metrics_md

ROOT = Path(__file__).parents[3]
CATALOG = ROOT / "streams" / "adapters" / "telemetry" / "catalog.py"
NAME = re.compile(
    r'"((?:coprocessor|cipherstream|host_(?:poller|listener|consumer))_\w+)"(?!\s*:)'
)  # as a value
# The wheels, and a role of the database.
NOT_METRICS = {"cipherstream_tfhe", "cipherstream_client", "cipherstream_kernel", "cipherstream_sender"}


def upstream() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Type and labels by name, as the existing coprocessor has them."""
    lines = (ROOT / "tests" / "fixtures" / "metrics" / "upstream.txt").read_text().splitlines()
    return {name: (kind, tuple(labels)) for name, kind, *labels in map(str.split, lines)}


def named_in_the_code() -> set[str]:
    sources = [path for path in (ROOT / "streams").rglob("*.py") if path != CATALOG]
    return {name for path in sources for name in NAME.findall(path.read_text())} - NOT_METRICS


def test_a_name_is_in_the_table_once() -> None:
    names = [metric.name for metric in METRICS] + list(absent_names())
    assert len(names) == len(set(names))


def test_the_code_exposes_what_the_table_has_and_nothing_else() -> None:
    assert named_in_the_code() == set(BY_NAME)


def test_every_name_of_upstream_is_exposed_or_explained() -> None:
    known = {metric.name for metric in METRICS if not metric.is_own} | set(absent_names())
    assert known == set(upstream())


def test_upstream_s_names_have_its_types_and_labels() -> None:
    ours = {metric.name: (metric.kind, metric.labels) for metric in METRICS if not metric.is_own}
    theirs = upstream()
    assert ours == {name: theirs[name] for name in ours}


def test_a_reason_is_a_sentence() -> None:
    assert [group.names for group in ABSENT if not group.reason.endswith((".", "both."))] == []


def carriers(sign: str) -> list[str]:
    """Sources that have a word which stands for what a reason says is not here."""
    sources = [path for path in (ROOT / "streams").rglob("*") if path.suffix in (".py", ".sql")]
    return [path.name for path in sources if path != CATALOG and sign in path.read_text().lower()]


@pytest.mark.parametrize("group", ABSENT, ids=lambda group: group.names[0])
def test_nothing_here_has_what_a_reason_says_is_absent(group: Absent) -> None:
    assert group.signs
    assert {sign: carriers(sign.lower()) for sign in group.signs if carriers(sign.lower())} == {}


def test_a_word_for_what_is_here_would_be_found() -> None:
    assert {"lanes.py", "schedule.py"} <= set(carriers("slow_lane"))


def test_text_and_labels_come_from_the_table() -> None:
    metrics = Metrics()
    metrics.counter("host_poller_rpc_errors").labels("1").inc()
    text = metrics.text().decode()
    assert "# HELP host_poller_rpc_errors Steps that the chain's node failed in." in text
    assert 'host_poller_rpc_errors{chain_id="1"} 1.0' in text


def test_a_name_that_is_not_in_the_table_needs_a_text() -> None:
    with pytest.raises(LookupError, match="not in the table"):
        Metrics().counter("cipherstream_unheard_of")


def test_a_name_is_of_the_kind_that_the_table_says() -> None:
    with pytest.raises(TypeError, match="is a counter"):
        Metrics().gauge("host_poller_rpc_errors")


def test_the_page_is_what_the_table_says() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == metrics_md.render()


def test_every_metric_is_named_by_a_test() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests" / "unit").rglob("test_*.py"))
    assert [name for name in BY_NAME if not re.search(rf"\b{name}(_count)?\b", tests)] == []
