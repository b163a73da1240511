"""Topics of the deployment: `topics.yaml` is the only source, a broker is compared with and brought to it."""

# The client library neither exports nor fully types its administration.
# pyright: reportPrivateImportUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import concurrent.futures
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

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
from streams.adapters.kafka.declaration import (
    APPLICABLE,
    Change,
    ChangeKind,
    Found,
    Topics,
    TopicSpec,
    compare,
    load,
)
from streams.domain.errors import BrokerError, ConfigurationError
from streams.settings import KafkaSettings

_REQUEST: Final = {"request_timeout": REQUEST_TIMEOUT_S}
_OPERATION_TIMEOUT_S: Final = 30.0
_AWAIT_S: Final = 0.05


def connect(kafka: KafkaSettings) -> AdminClient:
    """A client for the functions below."""
    return AdminClient(configuration(kafka))


def plan(admin: AdminClient, prefix: str = "", topics: Topics | None = None) -> tuple[Change, ...]:
    """What `apply` would have to do; raises BrokerError."""
    return tuple(change for change in drift(admin, prefix, topics) if change.kind in APPLICABLE)


def drift(admin: AdminClient, prefix: str = "", topics: Topics | None = None) -> tuple[Change, ...]:
    """Every difference, also those that are not changed from here; raises BrokerError."""
    declared = topics or load()
    found, brokers = _describe(admin, prefix)
    return compare(declared, found, brokers)


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
    declared = topics or load()
    planned = tuple(change for change in changes if change.kind in APPLICABLE)
    growing = [change.topic for change in planned if change.kind is ChangeKind.GROW]
    if growing and not allow_repartition:
        raise ConfigurationError(
            f"more partitions move keys; allow it for {', '.join(growing)} by --allow-repartition"
        )
    brokers = len(admin.list_topics(timeout=REQUEST_TIMEOUT_S).brokers)
    replication = min(declared.defaults.replication, brokers)
    created = [change.topic for change in planned if change.kind is ChangeKind.CREATE]
    _create(admin, {prefix + name: declared.topics[name] for name in created}, replication)
    _grow(admin, {prefix + name: declared.topics[name].partitions for name in growing})
    _alter(admin, planned, prefix)
    _await(admin, planned, prefix, declared)


def require_topics(
    admin: AdminClient, names: Iterable[str], prefix: str = "", topics: Topics | None = None
) -> None:
    """The check before services are started: what they use is there as declared.

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


def _describe(admin: AdminClient, prefix: str) -> tuple[dict[str, Found], int]:
    """Topics with the prefix, without it, and the number of brokers."""
    try:
        cluster = admin.list_topics(timeout=REQUEST_TIMEOUT_S)
    except KafkaException as error:
        raise broker_error("topics of the broker at kafka.bootstrap", error) from error
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


def _alter(admin: AdminClient, changes: Iterable[Change], prefix: str) -> None:
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


def _await(admin: AdminClient, changes: Iterable[Change], prefix: str, declared: Topics) -> None:
    """The controller answers before every broker has heard; whoever starts next must find the topics."""
    waited, deadline = set(changes), time.monotonic() + _OPERATION_TIMEOUT_S
    while missing := waited.intersection(drift(admin, prefix, declared)):
        if time.monotonic() > deadline:
            raise BrokerError(f"the brokers did not take over: {'; '.join(map(str, missing))}")
        time.sleep(_AWAIT_S)


def _result(action: str, answer: "concurrent.futures.Future[Any]") -> Any:
    try:
        return answer.result()
    except KafkaException as error:
        raise broker_error(action, error) from error
