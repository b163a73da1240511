"""topics.yaml says what the design's table says, and differences from it are found."""

from pathlib import Path

import pytest

from streams.adapters.kafka import declaration
from streams.adapters.kafka.declaration import Change, ChangeKind, Found, compare, load, parse
from streams.domain.errors import ConfigurationError

DAY_MS = 86_400_000
TABLE = {
    "events.v1": (24, "delete", 30 * DAY_MS),
    "results.v1": (24, "delete", 30 * DAY_MS),
    "work.tfhe.v1": (48, "delete", 2 * DAY_MS),
    "work.zkproof.v1": (48, "delete", 2 * DAY_MS),
    "work.sns.v1": (48, "delete", 2 * DAY_MS),
    "work.kms.v1": (48, "delete", 2 * DAY_MS),
    "work.prover.v1": (48, "delete", 2 * DAY_MS),
    "work.sender.v1": (24, "delete", 2 * DAY_MS),
    "ciphertexts.v1": (24, "compact", None),
    "keysets.v1": (1, "compact", None),
    "control.v1": (1, "compact", None),
    "dlq.v1": (3, "delete", 30 * DAY_MS),
}
ONE = parse(
    b"""
version: 1
defaults: {replication: 3}
topics:
  a.v1: {description: d, key: k, partitions: 4, cleanup: delete, retention: 2h}
"""
)
A = Found(partitions=4, replication=1, configuration={"cleanup.policy": "delete", "retention.ms": "7200000"})


def test_file_equals_the_table_of_the_design() -> None:
    found = {name: (spec.partitions, spec.cleanup, _retention(spec)) for name, spec in load().topics.items()}
    assert found == TABLE


def test_root_names_the_same_file() -> None:
    root = Path(__file__).parents[3] / "topics.yaml"
    assert parse(root.read_bytes()) == load()


def test_no_difference() -> None:
    assert compare(ONE, {"a.v1": A}, brokers=1) == ()


def test_missing_topic_is_created() -> None:
    (change,) = compare(ONE, {}, brokers=1)
    assert (change.kind, change.topic) == (ChangeKind.CREATE, "a.v1")
    assert str(change) == "create      a.v1: - -> 4 partitions, delete 2h"


@pytest.mark.parametrize(
    ("found", "kind", "before", "after"),
    [
        (Found(partitions=2, replication=1, configuration=A.configuration), "grow", "2", "4"),
        (Found(partitions=6, replication=1, configuration=A.configuration), "shrink", "6", "4"),
        (Found(partitions=4, replication=2, configuration=A.configuration), "replication", "2", "1"),
    ],
)
def test_shape_differs(found: Found, kind: str, before: str, after: str) -> None:
    (change,) = compare(ONE, {"a.v1": found}, brokers=1)
    assert (change.kind, change.before, change.after) == (kind, before, after)


def test_settings_differ() -> None:
    changed = {"cleanup.policy": "delete", "retention.ms": "5", "segment.ms": "9"}
    found = Found(partitions=4, replication=1, configuration=changed)
    assert compare(ONE, {"a.v1": found}, brokers=1) == (
        Change(kind=ChangeKind.CONFIG, topic="a.v1", setting="retention.ms", before="5", after="7200000"),
        Change(kind=ChangeKind.CONFIG, topic="a.v1", setting="segment.ms", before="9", after=""),
    )


def test_topic_without_declaration_is_reported() -> None:
    changes = compare(ONE, {"a.v1": A, "b.v1": A}, brokers=1)
    assert changes == (Change(kind=ChangeKind.UNMANAGED, topic="b.v1"),)
    assert ChangeKind.UNMANAGED not in declaration.APPLICABLE


def test_replication_is_bounded_by_the_brokers() -> None:
    (change,) = compare(ONE, {"a.v1": A}, brokers=5)
    assert (change.kind, change.after) == (ChangeKind.REPLICATION, "3")


@pytest.mark.parametrize(
    "text",
    [
        b"version: 1",
        b"- 1",
        b"version: 1\ndefaults: {replication: 1}\ntopics: {a: {description: d, key: k, partitions: 1}}",
        b"version: 1\ndefaults: {replication: 1}\ntopics:\n  a: {description: d, key: k, partitions: 1,"
        b" cleanup: delete, retention: soon}",
    ],
)
def test_wrong_file_is_refused(text: bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"topics\.yaml"):
        parse(text)


def _retention(spec: declaration.TopicSpec) -> int | None:
    text = spec.configuration().get("retention.ms")
    return None if text is None else int(text)
