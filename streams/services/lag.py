"""How far every reader of the topics is behind, in records and seconds, and which of them is stuck.

The owners of shards read `events.v1` and `results.v1`; where they stand is in Postgres, and what Faust
commits for them is not asked. Workers and the sender stand at what their groups have committed, which never
passes an item that is not finished.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, cast

import msgspec

from streams.adapters.kafka.positions import LogState
from streams.domain.errors import LogTruncated
from streams.messages.topics import EVENTS, GROUPS, RESULTS, WORK
from streams.ports import Clock, Log, Offset
from streams.services.graph import truncation

OWNERS: Final = "graph"
OWNED: Final = (EVENTS, RESULTS)

_LOOK_S: Final = 1.0
_READ_S: Final = 10.0  # of one record; the answer is worth no more waiting

State = Literal["ok", "stuck", "cut"]
Place = tuple[str, str, int]


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """One reader of one partition; `seconds` is the age of the first record that it has not finished."""

    group: str
    topic: str
    partition: int
    position: int
    end: int
    records: int
    seconds: float | None = 0.0  # None: that record could not be read
    state: State = "ok"
    reason: str = ""

    @property
    def place(self) -> Place:
        return self.group, self.topic, self.partition


class TopicLag(msgspec.Struct, frozen=True, kw_only=True):
    """All partitions of a topic together: records in sum, seconds and state of the worst."""

    group: str
    topic: str
    partitions: int
    records: int
    seconds: float | None
    state: State


class Broker(Protocol):
    """What is asked of Kafka; raises BrokerError, ConfigurationError for a topic that is missing."""

    async def logs(self, topics: Sequence[str]) -> Mapping[str, LogState]:
        """Identity and bounds of topics."""
        ...

    async def committed(self, group: str, topic: str) -> Mapping[int, int]:
        """Committed offsets by partition, where there are any."""
        ...


class Applied(Protocol):
    """What is asked of the database; raises StoreError."""

    async def offsets(self) -> Mapping[tuple[str, int], Offset]:
        """What the owners apply next, by topic and partition."""
        ...


@dataclass(frozen=True)
class Sources:
    """Everything that a measurement asks."""

    broker: Broker
    log: Log
    applied: Applied
    clock: Clock


async def measure(sources: Sources, interval_s: float) -> tuple[Lag, ...]:
    """Every reader of every partition. One that is behind and does not move for the interval is stuck.

    Returns as soon as all that are behind have moved; an interval of 0 looks once and calls nobody stuck.
    Raises: BrokerError, StoreError, ConfigurationError.
    """
    found = await look(sources)
    waiting = {lag.place: lag.position for lag in found if _is_behind(lag)}
    until = sources.clock.monotonic_s() + interval_s
    while waiting and (left := until - sources.clock.monotonic_s()) > 0:
        await sources.clock.sleep(min(_LOOK_S, left))
        found = await look(sources)
        # Who has moved once is not stuck, whatever it does afterwards: only those that never moved are
        # left.
        waiting = {
            lag.place: lag.position
            for lag in found
            if _is_behind(lag) and waiting.get(lag.place) == lag.position
        }
    stuck = waiting.keys() if interval_s > 0 else set[Place]()
    return tuple(await asyncio.gather(*(_judged(sources, lag, lag.place in stuck) for lag in found)))


def by_topic(lags: Sequence[Lag]) -> tuple[TopicLag, ...]:
    """One line for each group and topic, in the order of the partitions' lines."""
    groups: dict[tuple[str, str], list[Lag]] = {}
    for lag in lags:
        groups.setdefault((lag.group, lag.topic), []).append(lag)
    return tuple(_summed(group, topic, parts) for (group, topic), parts in groups.items())


def _summed(group: str, topic: str, parts: Sequence[Lag]) -> TopicLag:
    seconds = (lag.seconds for lag in parts if lag.seconds is not None)
    states = {lag.state for lag in parts}
    worst: tuple[State, ...] = ("cut", "stuck", "ok")
    return TopicLag(
        group=group,
        topic=topic,
        partitions=len(parts),
        records=sum(lag.records for lag in parts),
        seconds=max(seconds, default=None),
        state=next(state for state in worst if state in states),
    )


def _is_behind(lag: Lag) -> bool:
    return lag.records > 0 and lag.state == "ok"


async def look(sources: Sources) -> list[Lag]:
    """Every reader of every partition, without ages; raises BrokerError, StoreError, ConfigurationError."""
    # Positions first: a log only grows meanwhile, so that no reader seems to be beyond its end.
    applied = await sources.applied.offsets()
    groups = {WORK[kind]: group for kind, group in GROUPS.items()}
    committed = {topic: await sources.broker.committed(group, topic) for topic, group in groups.items()}
    logs = await sources.broker.logs((*OWNED, *groups))
    lags = [
        _owner(topic, shard, applied.get((topic, shard)), logs[topic])
        for topic in OWNED
        for shard in range(len(logs[topic].bounds))
    ]
    for topic, group in groups.items():
        for partition, bounds in enumerate(logs[topic].bounds):
            lags.append(_member(group, topic, partition, committed[topic].get(partition), bounds))
    return lags


def _owner(topic: str, shard: int, offset: Offset | None, log: LogState) -> Lag:
    """A shard that was never owned begins at 0, also where the log does not any more."""
    at = offset or Offset(topic, log.topic_id, 0)
    state, reason = cast(State, "ok"), ""
    try:
        truncation.check(at, shard, log.topic_id, log.bounds[shard])
    except LogTruncated as error:
        state, reason = "cut", str(error)
    end = log.bounds[shard][1]
    return Lag(
        group=OWNERS,
        topic=topic,
        partition=shard,
        position=at.next_off,
        end=end,
        records=max(end - at.next_off, 0),
        state=state,
        reason=reason,
    )


def _member(group: str, topic: str, partition: int, committed: int | None, bounds: tuple[int, int]) -> Lag:
    """A group that has committed nothing, or what is no longer there, begins with the first record."""
    start, end = bounds
    # a group's committed offset may have been deleted with its records
    position = committed if committed is not None and start <= committed <= end else start
    return Lag(
        group=group, topic=topic, partition=partition, position=position, end=end, records=end - position
    )


async def _judged(sources: Sources, lag: Lag, is_stuck: bool) -> Lag:
    if not _is_behind(lag):
        return lag if lag.state == "ok" else msgspec.structs.replace(lag, seconds=None)
    return msgspec.structs.replace(
        lag, seconds=await _age_s(sources, lag), state="stuck" if is_stuck else "ok"
    )


async def _age_s(sources: Sources, lag: Lag) -> float | None:
    # one record: its time is the lag in seconds
    records = sources.log.read(lag.topic, lag.partition, lag.position, lag.position + 1)
    try:
        async with asyncio.timeout(_READ_S), aclosing(cast(Any, records)):
            async for record in records:
                return max(sources.clock.now_ms() - record.timestamp_ms, 0) / 1_000
    except (LogTruncated, TimeoutError):  # it was deleted since, or its broker moves
        return None
    return None
