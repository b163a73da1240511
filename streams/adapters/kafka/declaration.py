"""The deployment's topics as `topics.yaml` declares them, and how a broker differs from that."""

import re
from collections.abc import Mapping
from enum import StrEnum
from importlib import resources
from typing import Final

import msgspec

from streams.domain.errors import ConfigurationError

_UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


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


APPLICABLE: Final = frozenset({ChangeKind.CREATE, ChangeKind.CONFIG, ChangeKind.GROW})


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
            # now, so that a duration that does not read is refused with the file and not at its first use
            spec.configuration()
    except (msgspec.MsgspecError, ValueError) as error:
        raise ConfigurationError(f"topics.yaml: {error}") from error
    return topics


def compare(declared: Topics, found: Mapping[str, Found], brokers: int) -> tuple[Change, ...]:
    """Differences between a declaration and what `brokers` brokers have, in order of names."""
    # A single broker is a whole deployment for trying out: it cannot hold three replicas.
    replication = min(declared.defaults.replication, brokers)
    changes: list[Change] = []
    for name, spec in sorted(declared.topics.items()):
        if name in found:
            changes += _differences(name, spec, found[name], replication)
        else:
            shape = f"{spec.partitions} partitions, {spec.cleanup} {spec.retention or ''}".strip()
            changes.append(Change(kind=ChangeKind.CREATE, topic=name, after=shape))
    # Told and never deleted: another deployment with a longer prefix may own it.
    unmanaged = sorted(found.keys() - declared.topics.keys())
    changes += (Change(kind=ChangeKind.UNMANAGED, topic=name) for name in unmanaged)
    return tuple(changes)


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


def _milliseconds(text: str) -> int:
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration like 30d")
    return int(match[1]) * _UNIT_MS[match[2]]
