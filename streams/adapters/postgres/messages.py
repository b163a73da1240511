"""Finds the rows that messages of work items are made of: one query, whatever kinds of items there are."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

from streams.adapters.postgres import compound, pool, queries
from streams.adapters.postgres.rows import row_of
from streams.domain import items as kinds
from streams.domain.rows import CiphertextRow, DigestRow, MemberRow, ProofRow, Row, WorkRow
from streams.messages import assembly
from streams.ports import DeadLetter, Outgoing, Record

R = TypeVar("R", bound=Row)
Items = Sequence[WorkRow]
Found = Mapping[str, list[Any]]  # of an item, by query

_ALIASES: Final[Mapping[str, type[Row]]] = {
    "m": MemberRow, "c": CiphertextRow, "p": ProofRow, "d": DigestRow, "w": WorkRow,
}  # fmt: skip
_COLUMNS: Final = {
    alias: ", ".join(f"{alias}.{name}" for name in table.__struct_fields__)
    for alias, table in _ALIASES.items()
}
_SQL: Final = {name: text.format(**_COLUMNS) for name, text in queries.load("messages.sql").items()}


async def assemble(
    connection: pool.Connection, items: Items, fence: compound.Part
) -> list[Outgoing | None] | None:
    """The message of each item, None when something that it needs is not stored; no list without fence."""
    asked: dict[str, list[int]] = defaultdict(list)
    for at, item in enumerate(items):
        for query in _KINDS[item.kind][0]:
            asked[query].append(at)
    wanted = sorted(asked)
    parts = [(_SQL[query], _ASK[query]([items[at] for at in asked[query]])) for query in wanted]
    found: list[dict[str, list[Any]]] = [defaultdict(list) for _ in items]
    is_owner = False
    for record in await compound.fetch(connection, [fence, *parts]):
        part, at = cast(int, record["part"]), cast(int, record["at"])
        if part == 0:
            is_owner = True
            continue
        query = wanted[part - 1]
        found[asked[query][at - 1]][query].append(record["found"])  # ordinality counts from 1
    if not is_owner:
        return None
    return [_KINDS[item.kind][1](item, rows) for item, rows in zip(items, found, strict=True)]


def _computation(item: WorkRow, found: Found) -> Outgoing | None:
    members = [_as(MemberRow, row) for row in found["members"]]
    inputs = [assembly.stored(_as(CiphertextRow, row)) for row in found["inputs"]]
    return assembly.compute(item, members, inputs) if members else None


def _proof(item: WorkRow, found: Found) -> Outgoing | None:
    return next((assembly.proof(item, _as(ProofRow, row)) for row in found["proofs"]), None)


def _response(item: WorkRow, found: Found) -> Outgoing | None:
    rows = (_as(ProofRow, row) for row in found["proofs"])
    return next((assembly.response(item, row, _seen_ms(found)) for row in rows), None)


def _squash(item: WorkRow, found: Found) -> Outgoing | None:
    rows = ((_as(CiphertextRow, row), transaction) for *row, transaction in found["squashes"])
    return next((assembly.squash(item, row, transaction) for row, transaction in rows), None)


def _material(item: WorkRow, found: Found) -> Outgoing | None:
    rows = (_as(DigestRow, row) for *row, _ in found["digests"])
    return next((assembly.material(item, row, _seen_ms(found)) for row in rows), None)


def _announcement(item: WorkRow, found: Found) -> Outgoing | None:
    rows = ((_as(DigestRow, row), fhe_type) for *row, fhe_type in found["digests"])
    return next((assembly.announcement(item, row, fhe_type) for row, fhe_type in rows), None)


def _right(item: WorkRow, found: Found) -> Outgoing | None:
    return assembly.right(item, _seen_ms(found))


def _letter(item: WorkRow, found: Found) -> DeadLetter | None:
    """A letter is about bytes that were parked, or about an item, whose id is text."""
    for row in found["letters"]:
        return _as_letter(*row)
    return next((assembly.failed(item, _as(WorkRow, row)) for row in found["failed"]), None)


def _as_letter(
    name: bytes,
    tenant: str,
    topic: str,
    part: int,
    off: int,
    key: bytes | None,
    value: bytes | None,
    header_names: Sequence[str],
    header_values: Sequence[bytes],
    error_class: str,
    error: str,
) -> DeadLetter:
    headers = tuple(zip(header_names, header_values, strict=True))
    record = Record(topic=topic, partition=part, offset=off, key=key, value=value, headers=headers)
    return DeadLetter(id=name, tenant=tenant, record=record, error_class=error_class, error=error)


_KINDS: Final[dict[str, tuple[tuple[str, ...], Callable[[WorkRow, Found], Outgoing | None]]]] = {
    kinds.COMPUTE: (("members", "inputs"), _computation),
    kinds.PROOF: (("proofs",), _proof),
    kinds.PROOF_REPLAY: (("proofs",), _proof),
    kinds.SQUASH: (("squashes",), _squash),
    kinds.ADD_MATERIAL: (("digests", "seen"), _material),
    kinds.ALLOW: (("seen",), _right),
    kinds.PROOF_RESPONSE: (("proofs", "seen"), _response),
    kinds.CIPHERTEXT: (("digests",), _announcement),
    kinds.DEAD_LETTER: (("letters", "failed"), _letter),
}


def _seen_ms(found: Found) -> int:
    return next((seen_ms for (seen_ms,) in found["seen"]), 0)


def _as(table: type[R], found: Sequence[Any]) -> R:
    row = row_of(table, found)
    assert isinstance(row, table)
    return row


def _names(items: Items) -> list[Sequence[Any]]:
    return [_tenants(items), [item.id for item in items]]


def _handles(items: Items) -> list[Sequence[Any]]:
    return [_tenants(items), _subjects(items)]


def _about(items: Items) -> list[Sequence[Any]]:
    """Items that letters speak of, by their names."""
    names = [item.subject.decode("ascii", "replace").replace("\0", "") for item in items]
    return [_tenants(items), names]


def _tenants(items: Items) -> list[str]:
    return [item.tenant for item in items]


def _subjects(items: Items) -> list[bytes]:
    return [item.subject for item in items]


# What each query is asked with.
_ASK: Final[dict[str, Callable[[Items], list[Sequence[Any]]]]] = {
    "members": _names,
    "inputs": _names,
    "proofs": lambda items: [_tenants(items), [assembly.proof_id(item) for item in items]],
    "squashes": _handles,
    "digests": _handles,
    "seen": _names,
    "failed": _about,
    "letters": lambda items: [_subjects(items)],
}
