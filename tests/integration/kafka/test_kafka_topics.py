"""Plan, apply and drift against the real broker."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from streams.adapters.kafka import declaration, topics
from streams.adapters.kafka.declaration import ChangeKind, Topics
from streams.cli import app
from streams.commands import services
from streams.domain.errors import ConfigurationError
from streams.settings import KafkaSettings

pytestmark = pytest.mark.stack


DECLARED = declaration.load()
DLQ = msgspec.structs.replace(DECLARED, topics={"dlq.v1": DECLARED.topics["dlq.v1"]})


def edited(**changes: object) -> Topics:
    """A declaration of `dlq.v1` alone, and otherwise."""
    dlq = msgspec.structs.replace(DLQ.topics["dlq.v1"], **changes)
    return msgspec.structs.replace(DLQ, topics={"dlq.v1": dlq})


def test_apply_makes_the_broker_equal_to_the_file(admin: AdminClient, kafka: KafkaSettings) -> None:
    changes = topics.plan(admin, kafka.prefix)
    assert {change.kind for change in changes} == {ChangeKind.CREATE}
    assert len(changes) == len(DECLARED.topics)
    topics.apply(admin, changes, kafka.prefix)
    assert topics.drift(admin, kafka.prefix) == ()
    topics.require_topics(admin, DECLARED.topics, kafka.prefix)


def test_changed_settings_are_altered(admin: AdminClient, kafka: KafkaSettings) -> None:
    custom = edited(retention="1h", config={"segment.ms": 60_000})
    topics.apply(admin, topics.plan(admin, kafka.prefix, custom), kafka.prefix, custom)
    changes = topics.plan(admin, kafka.prefix, DLQ)
    assert [(change.setting, change.before, change.after) for change in changes] == [
        ("retention.ms", "3600000", "2592000000"),
        ("segment.ms", "60000", ""),
    ]
    topics.apply(admin, changes, kafka.prefix, DLQ)
    assert topics.drift(admin, kafka.prefix, DLQ) == ()


def test_partitions_grow_only_with_leave(admin: AdminClient, kafka: KafkaSettings) -> None:
    topics.apply(admin, topics.plan(admin, kafka.prefix, DLQ), kafka.prefix)
    custom = edited(partitions=5)
    changes = topics.plan(admin, kafka.prefix, custom)
    with pytest.raises(ConfigurationError, match=r"dlq\.v1"):
        topics.apply(admin, changes, kafka.prefix, custom)
    topics.apply(admin, changes, kafka.prefix, custom, allow_repartition=True)
    assert topics.drift(admin, kafka.prefix, custom) == ()
    (shrink,) = topics.drift(admin, kafka.prefix, DLQ)
    assert shrink.kind is ChangeKind.SHRINK
    assert topics.plan(admin, kafka.prefix, DLQ) == ()


def test_start_is_refused_when_a_topic_lacks(admin: AdminClient, kafka: KafkaSettings) -> None:
    with pytest.raises(ConfigurationError, match=r"events\.v1 is missing.*topics apply"):
        topics.require_topics(admin, ["events.v1"], kafka.prefix)


def test_all_services_are_started_only_on_the_declared_topics(
    admin: AdminClient, kafka: KafkaSettings
) -> None:
    with pytest.raises(ConfigurationError, match=r"events\.v1 is missing.*topics apply"):
        services.require_topics(kafka)
    topics.apply(admin, topics.plan(admin, kafka.prefix), kafka.prefix)
    services.require_topics(kafka)


def test_start_is_refused_when_a_topic_has_another_shape(admin: AdminClient, kafka: KafkaSettings) -> None:
    custom = edited(partitions=1)
    topics.apply(admin, topics.plan(admin, kafka.prefix, custom), kafka.prefix, custom)
    with pytest.raises(ConfigurationError, match="1 partitions instead of 3"):
        topics.require_topics(admin, ["dlq.v1"], kafka.prefix)
    with pytest.raises(ConfigurationError, match="cleaned up by compact"):
        topics.require_topics(admin, ["dlq.v1"], kafka.prefix, edited(partitions=1, cleanup="compact"))


def test_the_command_finds_every_kind_of_drift(
    admin: AdminClient,
    kafka: KafkaSettings,
    make_topic: Callable[[int], str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CIPHERSTREAM_KAFKA__BOOTSTRAP", kafka.bootstrap)
    monkeypatch.setenv("CIPHERSTREAM_KAFKA__PREFIX", kafka.prefix)
    stray = make_topic(1)
    custom = edited(partitions=2, retention="1h")
    topics.apply(admin, topics.plan(admin, kafka.prefix, custom), kafka.prefix, custom)
    result = CliRunner().invoke(app, ["topics", "drift", "--json"])
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert {one["topic"] for one in found if one["kind"] == "create"} == DECLARED.topics.keys() - {"dlq.v1"}
    assert [
        (one["kind"], one["topic"], one.get("setting", "")) for one in found if one["kind"] != "create"
    ] == [
        ("grow", "dlq.v1", "partitions"),
        ("config", "dlq.v1", "retention.ms"),
        ("unmanaged", stray, ""),
    ]
