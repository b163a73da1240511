"""Topics of the deployment: `topics.yaml` is the only source, a broker is compared with and brought to it."""

import concurrent.futures
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from importlib import resources
from typing import Any, Final

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from streams.adapters.kafka.client import REQUEST_TIMEOUT_S, broker_error, configuration
from streams.domain.errors import ConfigurationError
from streams.settings import KafkaSettings

_UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_REQUEST: Final = {"request_timeout": REQUEST_TIMEOUT_S}
_OPERATION_TIMEOUT_S: Final = 30.0


class TopicSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A topic as `topics.yaml` declares it."""

    description: str
    key: str
    partitions: int
    cleanup: str
    retention: str | None = None
    config: dict[str, str | int | float] = {}

    def configuration(self) -> dict[str, str]:
        """The broker's settings that this declaration stands for."""
        declared = {"cleanup.policy": self.cleanup}
        if self.retention is not None:
            declared["retention.ms"] = str(_milliseconds(self.retention))
        return declared | {name: str(value) for name, value in self.config.items()}


class Defaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for every topic."""

    replication: int  # at most; fewer brokers make fewer replicas


class Topics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole declaration."""

    version: int
    defaults: Defaults
    topics: dict[str, TopicSpec]


class ChangeKind(StrEnum):
    """What a difference between declaration and broker asks for."""

    CREATE = "create"
    CONFIG = "config"
    GROW = "grow"  # more partitions: keys move, so only on request
    SHRINK = "shrink"  # Kafka cannot
    REPLICATION = "replication"  # to be moved by the cluster's own tools
    UNMANAGED = "unmanaged"  # has our prefix and no declaration; never deleted here


_APPLICABLE: Final = frozenset({ChangeKind.CREATE, ChangeKind.CONFIG, ChangeKind.GROW})


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference; `topic` is without prefix."""

    kind: ChangeKind
    topic: str
    setting: str = ""
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        setting = f" {self.setting}" if self.setting else ""
        values = f": {self.before or '-'} -> {self.after or '-'}" if self.before or self.after else ""
        return f"{self.kind:<11} {self.topic}{setting}{values}"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as the broker has it."""

    partitions: int
    replication: int
    configuration: Mapping[str, str]


def load() -> Topics:
    """The declaration that ships with this version; raises ConfigurationError."""
    return parse((resources.files("streams") / "topics.yaml").read_bytes())


def parse(text: bytes) -> Topics:
    """A declaration; raises ConfigurationError."""
    try:
        topics = msgspec.yaml.decode(text, type=Topics)
        for spec in topics.topics.values():
            spec.configuration()
    except (msgspec.MsgspecError, ValueError) as error:
        raise ConfigurationError(f"topics.yaml: {error}") from error
    return topics


def connect(kafka: KafkaSettings) -> AdminClient:
    """A client for the functions below."""
    return AdminClient(configuration(kafka))


def plan(admin: AdminClient, prefix: str = "", topics: Topics | None = None) -> tuple[Change, ...]:
    """What `apply` would have to do; raises BrokerError."""
    return tuple(change for change in drift(admin, prefix, topics) if change.kind in _APPLICABLE)


def drift(admin: AdminClient, prefix: str = "", topics: Topics | None = None) -> tuple[Change, ...]:
    """Every difference, also those that are not changed from here; raises BrokerError."""
    declared = topics or load()
    found, brokers = _describe(admin, prefix)
    return compare(declared, found, brokers)


def compare(declared: Topics, found: Mapping[str, Found], brokers: int) -> tuple[Change, ...]:
    """Differences between a declaration and what `brokers` brokers have, in order of names."""
    replication = min(declared.defaults.replication, brokers)
    changes: list[Change] = []
    for name, spec in sorted(declared.topics.items()):
        if name in found:
            changes += _differences(name, spec, found[name], replication)
        else:
            shape = f"{spec.partitions} partitions, {spec.cleanup} {spec.retention or ''}".strip()
            changes.append(Change(kind=ChangeKind.CREATE, topic=name, after=shape))
    unmanaged = sorted(found.keys() - declared.topics.keys())
    changes += (Change(kind=ChangeKind.UNMANAGED, topic=name) for name in unmanaged)
    return tuple(changes)


def apply(
    admin: AdminClient,
    changes: Iterable[Change],
    prefix: str = "",
    topics: Topics | None = None,
    *,
    allow_repartition: bool = False,
) -> None:
    """Carry out a plan.

    Raises: ConfigurationError where partitions would grow without leave, BrokerError.
    """
    declared, planned = topics or load(), tuple(changes)
    growing = [change.topic for change in planned if change.kind is ChangeKind.GROW]
    if growing and not allow_repartition:
        raise ConfigurationError(f"more partitions move keys; allow it for {', '.join(growing)}")
    brokers = len(admin.list_topics(timeout=REQUEST_TIMEOUT_S).brokers)
    replication = min(declared.defaults.replication, brokers)
    created = [change.topic for change in planned if change.kind is ChangeKind.CREATE]
    _create(admin, {prefix + name: declared.topics[name] for name in created}, replication)
    _grow(admin, {prefix + name: declared.topics[name].partitions for name in growing})
    altered = {change.topic for change in planned if change.kind is ChangeKind.CONFIG}
    _alter(admin, [change for change in planned if change.topic in altered], prefix)


def require_topics(
    admin: AdminClient, names: Iterable[str], prefix: str = "", topics: Topics | None = None
) -> None:
    """The check of every service at its start: what it uses is there as declared.

    Raises: ConfigurationError that names what lacks and the command that helps, BrokerError.
    """
    declared = topics or load()
    found, _ = _describe(admin, prefix)
    wrong = [problem for name in names if (problem := _problem(name, declared.topics[name], found.get(name)))]
    if wrong:
        raise ConfigurationError(f"{'; '.join(wrong)}; run `cipherstream topics plan` and `topics apply`")


def _problem(name: str, spec: TopicSpec, found: Found | None) -> str | None:
    if found is None:
        return f"topic {name} is missing"
    if found.partitions < spec.partitions:
        return f"topic {name} has {found.partitions} partitions instead of {spec.partitions}"
    if found.configuration.get("cleanup.policy", "delete") != spec.cleanup:
        return f"topic {name} is not cleaned up by {spec.cleanup}"
    return None


def _differences(name: str, spec: TopicSpec, found: Found, replication: int) -> list[Change]:
    changes: list[Change] = []
    if found.partitions != spec.partitions:
        kind = ChangeKind.GROW if found.partitions < spec.partitions else ChangeKind.SHRINK
        counts = {"before": str(found.partitions), "after": str(spec.partitions)}
        changes.append(Change(kind=kind, topic=name, setting="partitions", **counts))
    if found.replication != replication:
        counts = {"before": str(found.replication), "after": str(replication)}
        changes.append(Change(kind=ChangeKind.REPLICATION, topic=name, **counts))
    wanted = spec.configuration()
    for setting in sorted(wanted.keys() | found.configuration.keys()):
        before, after = found.configuration.get(setting, ""), wanted.get(setting, "")
        if before != after:
            changes.append(
                Change(kind=ChangeKind.CONFIG, topic=name, setting=setting, before=before, after=after)
            )
    return changes


def _describe(admin: AdminClient, prefix: str) -> tuple[dict[str, Found], int]:
    """Topics with the prefix, without it, and the number of brokers."""
    try:
        cluster = admin.list_topics(timeout=REQUEST_TIMEOUT_S)
    except KafkaException as error:
        raise broker_error("list topics", error) from error
    names = [name for name in cluster.topics if name.startswith(prefix) and not name.startswith("__")]
    configurations = _configurations(admin, names)
    found: dict[str, Found] = {}
    for name in names:
        partitions = cluster.topics[name].partitions
        replicas = min((len(partition.replicas) for partition in partitions.values()), default=0)
        found[name.removeprefix(prefix)] = Found(
            partitions=len(partitions), replication=replicas, configuration=configurations[name]
        )
    return found, len(cluster.brokers)


def _configurations(admin: AdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """What was set on each topic itself; the broker's defaults are its operator's business."""
    if not names:
        return {}
    answers: dict[Any, Any] = admin.describe_configs(
        [ConfigResource(ResourceType.TOPIC, name) for name in names], **_REQUEST
    )
    described = {resource.name: _result("describe configs", answer) for resource, answer in answers.items()}
    own = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    return {
        name: {entry.name: str(entry.value) for entry in entries.values() if entry.source == own}
        for name, entries in described.items()
    }


def _create(admin: AdminClient, specs: Mapping[str, TopicSpec], replication: int) -> None:
    if not specs:
        return
    new = [
        NewTopic(name, spec.partitions, replication, config=spec.configuration())
        for name, spec in specs.items()
    ]
    answers = admin.create_topics(new, operation_timeout=_OPERATION_TIMEOUT_S, **_REQUEST)
    for name, answer in answers.items():
        _result(f"create {name}", answer)


def _grow(admin: AdminClient, counts: Mapping[str, int]) -> None:
    if not counts:
        return
    new = [NewPartitions(name, count) for name, count in counts.items()]
    answers = admin.create_partitions(new, operation_timeout=_OPERATION_TIMEOUT_S, **_REQUEST)
    for name, answer in answers.items():
        _result(f"grow {name}", answer)


def _alter(admin: AdminClient, changes: list[Change], prefix: str) -> None:
    altered: dict[str, list[ConfigEntry]] = {}
    for change in changes:
        if change.kind is ChangeKind.CONFIG:
            operation = AlterConfigOpType.SET if change.after else AlterConfigOpType.DELETE
            entry = ConfigEntry(change.setting, change.after or None, incremental_operation=operation)
            altered.setdefault(prefix + change.topic, []).append(entry)
    if not altered:
        return
    resources_altered = [
        ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        for name, entries in altered.items()
    ]
    answers: dict[Any, Any] = admin.incremental_alter_configs(resources_altered, **_REQUEST)
    for resource, answer in answers.items():
        _result(f"alter {resource.name}", answer)


def _result(action: str, answer: "concurrent.futures.Future[Any]") -> Any:
    try:
        return answer.result()
    except KafkaException as error:
        raise broker_error(action, error) from error


def _milliseconds(text: str) -> int:
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration like 30d")
    return int(match[1]) * _UNIT_MS[match[2]]
