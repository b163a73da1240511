"""Protocols for everything that does I/O, time and randomness included; adapters implement them.

Each has an in-memory twin under `adapters/memory`, which the simulator and the unit tests use.
"""

import hashlib
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from streams.domain.control import Acknowledgement, CiphertextAnnouncement
from streams.domain.rows import Row, WorkRow
from streams.domain.state import Changes, Read
from streams.domain.work import Work as WorkMessage

Headers = tuple[tuple[str, bytes], ...]


class Clock(Protocol):
    """Time, passed in."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        ...

    def now_us(self) -> int:
        """Microseconds since the epoch, for what is measured."""
        ...

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary origin, never back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        ...


class Entropy(Protocol):
    """Randomness, passed in."""

    def bytes(self, size: int) -> bytes:
        """That many unpredictable bytes."""
        ...


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One record of a log."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp_ms: int = 0

    @property
    def identity(self) -> bytes:
        """What names the record where it is kept: its place, and what it says."""
        # Not its place alone: a log that was made anew, or cut, has other records at the same places. What is
        # read again after that is the same record, also from a topic of another id.
        place = f"{self.topic}/{self.partition}/{self.offset}/".encode()
        said = (hashlib.sha256(part or b"").digest() for part in (self.key, self.value))
        return hashlib.sha256(place + b"".join(said)).digest()


class Position(msgspec.Struct, frozen=True):
    """Where an acknowledged record lies."""

    partition: int
    offset: int


class Log(Protocol):
    """The broker. Topic names are without the deployment's prefix; the adapter adds it."""

    async def append(
        self,
        topic: str,
        *,
        key: bytes,
        value: bytes | None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> Position:
        """Append and wait until all replicas have it; raises BrokerError (then its fate is unknown)."""
        ...

    def partition_of(self, topic: str, key: bytes) -> int:
        """Partition of a key by murmur2, as every producer of the deployment chooses it."""
        ...

    async def partitions(self, topic: str) -> int:
        """How many partitions the topic has."""
        ...

    async def topic_id(self, topic: str) -> str:
        """Identity of the topic, another one after it was deleted and created again."""
        ...

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset that is still there, and the one after the last."""
        ...

    def read(self, topic: str, partition: int, start: int, end: int | None = None) -> AsyncGenerator[Record]:
        """Records from `start`, up to `end` (exclusive) or for ever; assigned, without a group."""
        ...

    async def close(self) -> None:
        """Flush what was appended and let go of all connections."""
        ...


class Blob(msgspec.Struct, frozen=True, kw_only=True):
    """An object with its user metadata."""

    body: bytes
    metadata: Mapping[str, str]


class Blobs(Protocol):
    """The object store."""

    async def put(
        self, bucket: str, key: str, body: bytes, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Store with an SHA-256 checksum; raises BlobError."""
        ...

    async def put_new(
        self, bucket: str, key: str, body: bytes, metadata: Mapping[str, str] | None = None
    ) -> bool:
        """Store unless there is such an object already, whoever is quicker; False if there is.

        Raises: BlobError.
        """
        ...

    async def check(self, bucket: str) -> None:
        """Ask once, without repeating, whether the bucket is there; raises BlobError when it is not."""
        ...

    async def head(self, bucket: str, key: str) -> Mapping[str, str] | None:
        """User metadata, or None when there is no such object; raises BlobError."""
        ...

    async def get(self, bucket: str, key: str, *, size_bytes_max: int) -> Blob | None:
        """The object, or None; raises BlobError, also when it is larger than allowed."""
        ...


class Work(Protocol):
    """One record of a work topic in a worker's hands."""

    @property
    def record(self) -> Record: ...

    def done(self) -> None:
        """Let its offset go; to be called when its result is acknowledged."""
        ...


class WorkSource(Protocol):
    """What a worker polls: at most `slots` items are out at a time; commits never pass unfinished work."""

    def items(self) -> AsyncIterator[Work]:
        """Items as slots are free, until the source is stopped."""
        ...

    def partitions(self) -> Sequence[int]:
        """Partitions held at present."""
        ...

    async def stop(self) -> None:
        """Take no more, wait for what is out, commit, leave the group."""
        ...


# --- the materialised state -----------------------------------------------------------------------


class Offset(msgspec.Struct, frozen=True):
    """The next record to apply of a topic's partition, and which topic that was."""

    topic: str
    topic_id: str
    next_off: int


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A shard in the hands of a new owner."""

    shard: int
    epoch: int
    offsets: tuple[Offset, ...]
    halted: frozenset[str]  # tenants whose records are kept, not applied


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Something that failed for good, as it was, with why."""

    id: bytes
    tenant: str
    record: Record
    error_class: str
    error: str


Outgoing = WorkMessage | CiphertextAnnouncement | DeadLetter


class Ready(msgspec.Struct, frozen=True):
    """What a shard may claim of a class, the first few of each contract, and how many it has in flight."""

    items: tuple[WorkRow, ...]
    in_flight: Mapping[str, int]  # by worker; those that name none under ""


class Weight(msgspec.Struct, frozen=True):
    """What a unit of cost of a tenant counts in a class, as against others; DEFAULT_WEIGHT of most."""

    tenant: str
    work_class: str
    weight: int


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """Open work of one class and key set in one shard, at a moment."""

    shard: int
    work_class: str
    key_id: bytes = b""  # empty where items name none
    ready_cost_ms: int
    weighed_cost_ms: int  # the same, each item's times its tenant's weight
    ready: int
    delayed: int  # failed for now: they wait for the time of their next attempt
    in_flight: int
    overdue: int  # dispatched and beyond the deadline, or at a worker that is not alive
    paused: int = 0  # not in flight, of paused tenants; not counted as ready or delayed


class Unsent(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway does not have yet, at a moment: what senders hold and what waits behind it."""

    digests: int = 0  # of goals
    answers: int = 0  # to proofs that have their verdict
    rights: int = 0  # of an old network


class RaisedAlarm(msgspec.Struct, frozen=True):
    """What an operator must see of a tenant, under a kind that is known."""

    subject: bytes
    detail: str


class Transaction(Protocol):
    """One transaction of a shard's owner; nothing of it is seen before it ends well."""

    async def load(self, reads: Sequence[Read]) -> list[list[Row]]:
        """Rows that answer each look-up."""
        ...

    async def downstream(self, tenant: str, tokens: Sequence[bytes]) -> list[str]:
        """Items that wait for these tokens, for what those items bring, and so on."""
        ...

    async def upstream(self, tenant: str, items: Sequence[str]) -> list[str]:
        """These items, those that make what they lack, and so on, as far as each has ended and lacks any."""
        ...

    async def ancestors(self, tenant: str, hashes: Sequence[bytes], most: int) -> list[bytes]:
        """These blocks, their parents, and so on: at most so many of each branch."""
        ...

    async def orphans(self, tenant: str, hashes: Sequence[bytes], most: int) -> list[bytes]:
        """Blocks that wait for these, those that wait for them, and so on: at most so many."""
        ...

    async def ends(self, tenant: str, numbers: Sequence[int], most: int) -> list[int]:
        """These ends of ranges of the gateway, those before them, and so on: at most so many of each."""
        ...

    async def write(self, changes: Changes) -> None:
        """Store what decisions changed."""
        ...

    async def advance(self, topic: str, partition: int, start: int, next_off: int) -> None:
        """Move the next offset from `start`; raises Fenced when it is not there."""
        ...

    async def ready(
        self,
        work_class: str,
        now_ms: int,
        per_contract: int,
        paused: Collection[str] = (),
        key_ids: Collection[bytes] | None = None,
        *,
        most: int = sys.maxsize,
    ) -> Ready:
        """Items of a class that may be claimed now, of each contract, priority and key set; none paused.

        Of these key sets alone (`b""` names none), without `key_ids` of any.
        None at all while `most` are in flight: with many contracts the list is long, and nobody could use it.
        """
        ...

    async def reclaim(self) -> list[WorkRow]:
        """Take over what owners before claimed and may not have published."""
        ...

    async def dispatched(
        self, items: Sequence[WorkRow], reported_us: Sequence[int], deadline_ms: int
    ) -> None:
        """The broker has these messages: dispatched, those of class `publish` done.

        Args:
            reported_us: when the broker said so of each item, in us since the epoch.
            deadline_ms: the earliest for them: what waited for the broker did not wait for a worker.
        """
        ...

    async def late(self, now_ms: int, live: Collection[str]) -> list[WorkRow]:
        """Dispatched items that passed their deadline or lie at a worker that is not alive."""
        ...

    async def park(self, letter: DeadLetter) -> None:
        """Keep bytes that do not decode."""
        ...

    async def halt(self, tenant: str, record: Record, error: str) -> None:
        """Apply nothing more of a tenant from this record on."""
        ...

    async def hold(self, tenant: str, record: Record) -> None:
        """Keep a record of a halted tenant behind those kept before; the same one again changes nothing."""
        ...

    async def held(self, tenant: str, limit: int) -> list[Record]:
        """The oldest kept records of a tenant, in the order in which they were kept."""
        ...

    async def drop_held(self, records: Sequence[Record]) -> None:
        """Forget kept records: they are applied."""
        ...

    async def resume(self, tenant: str) -> None:
        """The tenant is no longer halted, and its alarm is over."""
        ...

    async def knows_request(self, request: str) -> bool:
        """Whether an operator's command was carried out."""
        ...

    async def take_request(self, request: str, tenant: str) -> None:
        """Remember an operator's command as carried out."""
        ...

    async def acknowledge(self, word: Acknowledgement) -> None:
        """Remember that an operator knows of these alarms, whether they stand yet or not.

        Of two words about the same the first stays.
        """
        ...


class Store(Protocol):
    """The materialised state; only owners of shards write it."""

    async def claim(self, shard: int, owner: str, topics: Mapping[str, str]) -> Claim:
        """Become the owner with a new epoch; waits for an open transaction of the one before.

        `topics` has the broker's id of each topic; one that the store does not know starts at offset 0.
        """
        ...

    def begin(
        self, shard: int, epoch: int, *, is_patient: bool = False
    ) -> AbstractAsyncContextManager[Transaction]:
        """A transaction whose first statement is the fence; raises Fenced, StoreError.

        TransactionTooLong where the store ended it for its length, of which a patient one has more.
        """
        ...

    async def messages(self, shard: int, epoch: int, items: Sequence[WorkRow]) -> list[Outgoing | None]:
        """The message of each item; None when something that it needs is not stored.

        Raises: Fenced, StoreError.
        """
        ...

    async def demand(
        self,
        now_ms: int,
        live: Collection[str],
        paused: Collection[str] = (),
        weights: Sequence[Weight] = (),
    ) -> list[Demand]:
        """Open work per shard, class and key set, that of paused tenants apart; raises StoreError."""
        ...

    async def outstanding(self) -> dict[str, dict[str, int]]:
        """Estimated cost in ms of what is in flight, by class and worker, in all shards."""
        ...

    async def unsent(self) -> Unsent:
        """What the gateway does not have yet, of all shards; raises StoreError."""
        ...

    async def alarms(self, tenant: str, kind: str) -> list[RaisedAlarm]:
        """Alarms that nobody has acknowledged as they are, by subject; raises StoreError.

        A divergence is one of the kind `divergence_…`, and its detail is the other digest in hex.
        """
        ...

    async def close(self) -> None:
        """Let go of all connections."""
        ...
