"""Finds the rows that messages of work items are made of: one query per kind of item."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from streams.adapters.postgres import pool, queries
from streams.adapters.postgres.rows import as_row
from streams.domain import items as kinds
from streams.domain.rows import CiphertextRow, DigestRow, MemberRow, ProofRow, Row, WorkRow
from streams.messages import assembly
from streams.ports import DeadLetter, Outgoing, Record

_SQL: Final = queries.load("messages.sql")

R = TypeVar("R", bound=Row)
Items = Sequence[WorkRow]
Messages = list[Outgoing | None]
Found = dict[int, list[Any]]


async def assemble(connection: pool.Connection, items: Items) -> Messages:
    """The message of each item; None when something that it needs is not stored."""
    places: dict[str, list[int]] = defaultdict(list)
    for at, item in enumerate(items):
        places[item.kind].append(at)
    messages: Messages = [None] * len(items)
    for kind, found in places.items():
        made = await _KINDS[kind](connection, [items[at] for at in found])
        for at, message in zip(found, made, strict=True):
            messages[at] = message
    return messages


async def _computations(connection: pool.Connection, items: Items) -> Messages:
    members = await _find(connection, "members", _tenants(items), _ids(items))
    inputs = await _find(connection, "inputs", _tenants(items), _ids(items))
    return [
        assembly.compute(
            item,
            [_as(MemberRow, record) for record in members[at]],
            [assembly.stored(_as(CiphertextRow, record)) for record in inputs[at]],
        )
        if members[at]
        else None
        for at, item in enumerate(items)
    ]


async def _proofs(connection: pool.Connection, items: Items) -> Messages:
    found = await _requests(connection, items)
    return [
        assembly.proof(item, _as(ProofRow, found[at][0])) if found[at] else None
        for at, item in enumerate(items)
    ]


async def _responses(connection: pool.Connection, items: Items) -> Messages:
    found, seen_ms = await _requests(connection, items), await _seen_ms(connection, items)
    return [
        assembly.response(item, _as(ProofRow, found[at][0]), seen_ms[at]) if found[at] else None
        for at, item in enumerate(items)
    ]


async def _squashes(connection: pool.Connection, items: Items) -> Messages:
    found = await _find(connection, "squashes", _tenants(items), _subjects(items))
    return [
        assembly.squash(item, _as(CiphertextRow, found[at][0]), found[at][0]["transaction_id"])
        if found[at]
        else None
        for at, item in enumerate(items)
    ]


async def _materials(connection: pool.Connection, items: Items) -> Messages:
    found = await _find(connection, "digests", _tenants(items), _subjects(items))
    seen_ms = await _seen_ms(connection, items)
    return [
        assembly.material(item, _as(DigestRow, found[at][0]), seen_ms[at]) if found[at] else None
        for at, item in enumerate(items)
    ]


async def _announcements(connection: pool.Connection, items: Items) -> Messages:
    found = await _find(connection, "digests", _tenants(items), _subjects(items))
    return [
        assembly.announcement(item, _as(DigestRow, found[at][0]), found[at][0]["fhe_type"])
        if found[at]
        else None
        for at, item in enumerate(items)
    ]


async def _rights(connection: pool.Connection, items: Items) -> Messages:
    seen_ms = await _seen_ms(connection, items)
    return [assembly.right(item, seen_ms[at]) for at, item in enumerate(items)]


async def _letters(connection: pool.Connection, items: Items) -> Messages:
    """A letter is about bytes that were parked, or about an item, whose id is text."""
    parked = await _find(connection, "letters", _subjects(items))
    names = [item.subject.decode("ascii", "replace").replace("\0", "") for item in items]
    failed = await _find(connection, "failed", _tenants(items), names)
    return [_letter(item, parked[at], failed[at]) for at, item in enumerate(items)]


def _letter(item: WorkRow, parked: list[Any], failed: list[Any]) -> DeadLetter | None:
    if parked:
        return _as_letter(parked[0])
    return assembly.failed(item, _as(WorkRow, failed[0])) if failed else None


def _as_letter(found: Any) -> DeadLetter:
    record = Record(
        topic=found["topic"],
        partition=found["part"],
        offset=found["off"],
        key=found["key"],
        value=found["value"],
        headers=tuple(zip(found["header_names"], found["header_values"], strict=True)),
    )
    return DeadLetter(
        id=found["id"],
        tenant=found["tenant"],
        record=record,
        error_class=found["error_class"],
        error=found["error"],
    )


_KINDS: Final[dict[str, Callable[[pool.Connection, Items], Awaitable[Messages]]]] = {
    kinds.COMPUTE: _computations,
    kinds.PROOF: _proofs,
    kinds.PROOF_REPLAY: _proofs,
    kinds.SQUASH: _squashes,
    kinds.ADD_MATERIAL: _materials,
    kinds.ALLOW: _rights,
    kinds.PROOF_RESPONSE: _responses,
    kinds.CIPHERTEXT: _announcements,
    kinds.DEAD_LETTER: _letters,
}


async def _requests(connection: pool.Connection, items: Items) -> Found:
    ids = [assembly.proof_id(item) for item in items]
    return await _find(connection, "proofs", _tenants(items), ids)


async def _seen_ms(connection: pool.Connection, items: Items) -> list[int]:
    found = await _find(connection, "seen", _tenants(items), _ids(items))
    return [found[at][0]["seen_ms"] if found[at] else 0 for at in range(len(items))]


async def _find(connection: pool.Connection, query: str, *columns: Sequence[Any]) -> Found:
    """Rows of a query by the place, from 0, of the item that they belong to."""
    found: Found = defaultdict(list)
    for record in await connection.fetch(_SQL[query], *columns):
        found[record["at"] - 1].append(record)
    return found


def _as(table: type[R], record: Any) -> R:
    row = as_row(table, record)
    assert isinstance(row, table)
    return row


def _tenants(items: Items) -> list[str]:
    return [item.tenant for item in items]


def _ids(items: Items) -> list[str]:
    return [item.id for item in items]


def _subjects(items: Items) -> list[bytes]:
    return [item.subject for item in items]
