"""Read-only: how far the graph has come, for people who watch."""

from collections.abc import Sequence
from typing import Any

import msgspec

from streams.adapters.postgres import pool, queries
from streams.domain import rows
from streams.domain.errors import StoreError
from streams.domain.rows import DriftState
from streams.ports import Offset


class Counts(msgspec.Struct, frozen=True):
    """How much of everything there is."""

    blocks: int
    wanted: int
    computed: int
    squashed: int
    proofs: int
    alarms: int


class Queue(msgspec.Struct, frozen=True):
    """Work of one class."""

    work_class: str
    waiting: int
    in_flight: int
    done: int
    failed: int


class Steps(msgspec.Struct, frozen=True):
    """How many of some handles are known, computed and squashed."""

    known: int
    computed: int
    squashed: int


class Digests(msgspec.Struct, frozen=True):
    """What we have of a handle, as it is committed."""

    key_id: bytes
    ciphertext: bytes
    ciphertext128: bytes


class Standing(msgspec.Struct, frozen=True):
    """How the commits of a handle stand to each other and to ours."""

    state: DriftState
    is_agreed: bool
    differing: tuple[bytes, ...]
    missing: tuple[bytes, ...]


class Answer(msgspec.Struct, frozen=True):
    """How our verdict over an input and the gateway's answer stand to each other."""

    standing: rows.Standing
    accepted: bool | None  # by the gateway; None while it has not answered
    agreed: tuple[bytes, ...]  # the handles of its answer
    alarm: str  # empty while none stands


class Progress:
    """Queries over one pool."""

    def __init__(self, connections: pool.Pool) -> None:
        self._pool = connections
        self._sql = queries.load("progress.sql")

    async def counts(self) -> Counts:
        """All counters; raises StoreError."""
        (row,) = await self._fetch("counts")
        return msgspec.convert(row, Counts)

    async def queues(self) -> tuple[Queue, ...]:
        """Work by class; raises StoreError."""
        return tuple(msgspec.convert(row, Queue) for row in await self._fetch("queues"))

    async def steps(self, handles: Sequence[bytes]) -> Steps:
        """How far these handles have come; raises StoreError."""
        (row,) = await self._fetch("steps", list(handles))
        return msgspec.convert(row, Steps)

    async def ciphertext(self, handle: bytes) -> bytes:
        """What is stored for a handle; raises StoreError, also when there is nothing yet."""
        rows = await self._fetch("ciphertext", handle)
        if not rows:
            raise StoreError(f"0x{handle.hex()} has no ciphertext yet")
        return rows[0]["ciphertext"]

    async def digests(self, handles: Sequence[bytes]) -> dict[bytes, Digests]:
        """What there is to commit for these handles; raises StoreError."""
        rows = await self._fetch("digests", list(handles))
        return {row.pop("handle"): Digests(**row) for row in rows}

    async def drift(self, handles: Sequence[bytes]) -> dict[bytes, Standing]:
        """How the commits of these handles stand; raises StoreError."""
        rows = await self._fetch("drift", list(handles))
        return {row.pop("handle"): msgspec.convert(row, Standing) for row in rows}

    async def answer(self, tenant: str, zk_proof_id: int) -> Answer | None:
        """What is known of a request, None of one that was not heard of; raises StoreError."""
        found = await self._fetch("answer", tenant, zk_proof_id)
        return msgspec.convert(found[0], Answer) if found else None

    async def verification(self, tenant: str, zk_proof_id: int, kind: str) -> str | None:
        """The item that verifies a request, or with the other kind verifies it again; raises StoreError."""
        found = await self._fetch("verification", tenant, zk_proof_id, kind)
        return found[0]["id"] if found else None

    async def alarms(self) -> dict[tuple[str, str], int]:
        """Alarms and divergences that nobody acknowledged, by tenant and kind; raises StoreError."""
        return {(row["tenant"], row["kind"]): row["count"] for row in await self._fetch("alarms")}

    async def in_hand(self, work_class: str, pid: int) -> int:
        """How many items a worker has started and not answered; raises StoreError.

        Only of a worker whose name ends with its process, which is the default.
        """
        (row,) = await self._fetch("in_hand", work_class, str(pid))
        return row["items"]

    async def offsets(self) -> dict[tuple[str, int], Offset]:
        """What the owners apply next, by topic and partition; raises StoreError."""
        rows = await self._fetch("offsets")
        return {
            (row["topic"], row["part"]): Offset(row["topic"], row["topic_id"], row["next_off"])
            for row in rows
        }

    async def _fetch(self, name: str, *arguments: Any) -> list[dict[str, Any]]:
        async with pool.acquired(self._pool) as connection:
            return [dict(row) for row in await connection.fetch(self._sql[name], *arguments)]
