"""Protocols for everything that does I/O, time and randomness included; adapters implement them.

Each has an in-memory twin under `adapters/memory`, which the simulator and the unit tests use.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

import msgspec

Headers = tuple[tuple[str, bytes], ...]


class Clock(Protocol):
    """Time, passed in."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
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

    def read(self, topic: str, partition: int, start: int, end: int | None = None) -> AsyncIterator[Record]:
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
