"""Rows of domain/rows.py to and from Postgres: one query per table, all rows of a batch at once."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, cast, get_origin, get_type_hints

import msgspec

from streams.adapters.postgres import pool, queries
from streams.domain.rows import TABLES, Row
from streams.domain.state import Changes, Key, Read

_SQL: Final = queries.load("rows.sql")
_TUPLES: Final = {
    table: frozenset(name for name, hint in get_type_hints(table).items() if get_origin(hint) is tuple)
    for table in TABLES
}
_ENUMS: Final = {
    table: {
        name: hint
        for name, hint in get_type_hints(table).items()
        if isinstance(hint, type) and issubclass(hint, str) and hint is not str
    }
    for table in TABLES
}


def as_row(table: type[Row], record: Any) -> Row:
    """A row from the columns of its table."""
    values: dict[str, Any] = {name: record[name] for name in table.__struct_fields__}
    for name in _TUPLES[table]:
        values[name] = tuple(values[name])
    for name, kind in _ENUMS[table].items():
        values[name] = kind(values[name])
    for name in table.WIDE:
        values[name] = int(values[name])
    return table(**values)


async def load(connection: pool.Connection, reads: Sequence[Read]) -> list[list[Row]]:
    """Rows that answer each look-up, by one query per table and index."""
    answers = [list[Row]() for _ in reads]
    groups: dict[tuple[type[Row], tuple[str, ...]], list[int]] = defaultdict(list)
    for at, read in enumerate(reads):
        groups[read.table, read.columns].append(at)
    for (table, columns), places in groups.items():
        values = zip(*(reads[at].values for at in places), strict=True)
        query = _SQL[f"load_{table.TABLE}_by_{'_'.join(columns)}"]
        for record in await connection.fetch(query, *(list(column) for column in values)):
            at = cast(int, record["at"]) - 1  # ordinality counts from 1
            answers[places[at]].append(as_row(table, record))
    return answers


async def write(connection: pool.Connection, shard: int, changes: Changes) -> None:
    """Delete and upsert what changed; what is new is copied, which costs the database half as much."""
    for table, keys in changes.deleted.items():
        await connection.execute(_SQL[f"delete_{table.TABLE}"], *_columns(keys))
    for table, rows in changes.created.items():
        records = [(shard, *msgspec.structs.astuple(row)) for row in rows]
        columns = ("shard", *table.__struct_fields__)
        await connection.copy_records_to_table(table.TABLE, records=records, columns=columns)
    for table, rows in changes.written.items():
        await connection.execute(_SQL[f"put_{table.TABLE}"], shard, *_fields(table, rows))


def _columns(keys: Iterable[Key]) -> list[list[Any]]:
    return [list(column) for column in zip(*keys, strict=True)]


def _fields(table: type[Row], rows: Sequence[Row]) -> list[list[Any]]:
    tuples = _TUPLES[table]
    columns: list[list[Any]] = []
    for field in msgspec.structs.fields(table):
        values: list[Any] = [getattr(row, field.name) for row in rows]
        if field.name in tuples:
            values = [_array(value) for value in values]
        columns.append(values)
    return columns


def _array(values: Iterable[bytes]) -> str:
    """An array of byte strings as Postgres reads it from text."""
    return "{" + ",".join(f'"\\\\x{value.hex()}"' for value in values) + "}"
