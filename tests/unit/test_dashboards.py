"""Dashboards and alerts ask for metrics that exist, by labels that they have."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.adapters.telemetry.catalog import BY_NAME, Metric
from streams.domain.rows import AlarmKind

FOLDER = Path(__file__).parents[2] / "dashboards"
# Of PromQL: what stands where a metric could.
WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "bool", "offset", "inf", "nan"}
# Labels that Prometheus adds itself.
ADDED = {"job", "instance", "le"}
SUFFIXES = ("_bucket", "_sum", "_count")


def dashboards() -> list[Path]:
    return sorted(FOLDER.glob("*.json"))


def panels(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text())["panels"]


def dashboard_queries() -> Iterator[tuple[str, str]]:
    for path in dashboards():
        for panel in panels(path):
            for target in panel.get("targets", ()):
                yield f"{path.name}: {panel['title']}", target["expr"]


def rules() -> list[dict[str, Any]]:
    loaded = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def queries() -> list[tuple[str, str]]:
    return [*dashboard_queries(), *((rule["alert"], rule["expr"]) for rule in rules())]


def bare(query: str) -> str:
    """The query without strings, selectors, durations and lists of labels."""
    query = re.sub(r'"[^"]*"', "", query)
    query = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", query)
    return re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)", "", query)


def names(query: str) -> set[str]:
    """Names that stand where a metric does: words that are no function and no keyword."""
    found = re.findall(r"(?<![\w.])([a-zA-Z_:][\w:]*)\b(?!\s*\()", bare(query))
    return set(found) - WORDS


def labels(query: str) -> set[str]:
    """Labels that a query groups or selects by."""
    lists = re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", query)
    grouped = {label.strip() for found in lists for label in found.split(",")}
    return grouped | set(re.findall(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)", query))


def metric(name: str) -> Metric | None:
    found = BY_NAME.get(name)
    if found is not None:
        return found if found.kind != "histogram" else None
    base = next((name.removesuffix(end) for end in SUFFIXES if name.endswith(end)), "")
    found = BY_NAME.get(base)
    return found if found is not None and found.kind == "histogram" else None


def test_there_is_a_dashboard_and_alerts() -> None:
    assert [path.name for path in dashboards()] == ["alarms.json", "consumer-lag.json"]
    assert len(queries()) > 30


@pytest.mark.parametrize(("place", "query"), queries(), ids=[place for place, _ in queries()])
def test_a_query_names_metrics_that_exist_and_labels_that_they_have(place: str, query: str) -> None:
    assert names(query), place
    known = {name: metric(name) for name in names(query)}
    assert [name for name, found in known.items() if found is None] == []
    have = {label for found in known.values() if found for label in found.labels}
    assert labels(query) <= have | ADDED


@pytest.mark.parametrize(("place", "query"), queries(), ids=[place for place, _ in queries()])
def test_the_parentheses_of_a_query_are_closed(place: str, query: str) -> None:
    for opening, closing in ("()", "[]", "{}"):
        assert query.count(opening) == query.count(closing), place


def test_what_the_check_looks_for_is_found() -> None:
    query = 'sum by (le) (rate(no_such_bucket{tenant="t"}[5m])) > 0 and time() - gone > 1'
    assert names(query) == {"no_such_bucket", "gone"}
    assert labels(query) == {"le", "tenant"}
    assert metric("no_such_bucket") is None
    assert metric("coprocessor_fhe_batch_latency_seconds") is None  # a histogram has no series of its name
    assert metric("coprocessor_fhe_batch_latency_seconds_bucket") is not None


def test_panels_stand_beside_each_other() -> None:
    for path in dashboards():
        cells: set[tuple[int, int]] = set()
        for panel in panels(path):
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24
            covered = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
            assert not covered & cells, panel["title"]
            cells |= covered
        assert len({panel["id"] for panel in panels(path)}) == len(panels(path))


def test_a_dashboard_s_variables_ask_for_labels_that_exist() -> None:
    for path in dashboards():
        for variable in json.loads(path.read_text())["templating"]["list"]:
            if variable["type"] == "query":
                name, label = re.findall(r"label_values\((\w+), (\w+)\)", variable["definition"])[0]
                assert label in BY_NAME[name].labels


def test_an_alert_says_how_bad_it_is_and_what_to_look_at() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}
    assert len({rule["alert"] for rule in rules()}) == len(rules())


def alarming() -> list[str]:
    """Kinds of alarms that rules ask for, as patterns."""
    return [kinds for rule in rules() for kinds in re.findall(r'kind=~?"([^"]+)"', rule["expr"])]


def test_every_alarm_has_a_rule() -> None:
    told = [*AlarmKind, *(f"divergence_{kind}" for kind in ("ct64", "ct128", "operation", "proof", "commit"))]
    assert [kind for kind in told if not any(re.fullmatch(of, kind) for of in alarming())] == []
    assert [of for of in alarming() if not any(re.fullmatch(of, kind) for kind in told)] == []


def test_what_blocks_handles_without_an_alarm_has_a_rule() -> None:
    assert any("cipherstream_executor_unknown_events" in names(rule["expr"]) for rule in rules())


def test_alarms_have_no_kinds_beside_the_list() -> None:
    raised = [
        call
        for path in (FOLDER.parent / "streams").rglob("*.py")
        for call in re.findall(r"\bAlarmRow\(\s*tenant=[^)]*", path.read_text())
    ]
    assert len(raised) > 5
    assert [call for call in raised if re.search(r"""kind=["']""", call)] == []


def test_every_metric_of_alarms_is_on_their_dashboard() -> None:
    shown = {name for place, query in dashboard_queries() if "alarms.json" in place for name in names(query)}
    assert {name for name in BY_NAME if "alarm" in name} <= shown


def test_labels_in_an_alert_s_text_are_those_of_its_query() -> None:
    for rule in rules():
        used = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        # Without an aggregation, the labels that Prometheus adds are there as well.
        assert used <= labels(rule["expr"]) | ({"instance", "job"} if " by " not in rule["expr"] else set())
