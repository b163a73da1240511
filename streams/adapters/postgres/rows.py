"""Rows of domain/rows.py to and from Postgres: all rows of a batch at once."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, cast, get_args, get_origin, get_type_hints

import msgspec

from streams.adapters.postgres import compound, pool, queries
from streams.domain.rows import TABLES, Row
from streams.domain.state import Changes, Key, Read

_SQL: Final = queries.load("rows.sql")
# New rows of a table. A copy costs the database half as much per row, and two round trips.
COPIED_MIN: Final = 256
Index = tuple[type[Row], tuple[str, ...]]
_TUPLES: Final = {
    table: frozenset(name for name, hint in get_type_hints(table).items() if get_origin(hint) is tuple)
    for table in TABLES
}
_NULLABLE: Final = {
    table: frozenset(name for name, hint in get_type_hints(table).items() if type(None) in get_args(hint))
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
    return row_of(table, (record[name] for name in table.__struct_fields__))


def row_of(table: type[Row], found: Iterable[Any]) -> Row:
    """A row from its columns' values in the order of its fields."""
    values: dict[str, Any] = dict(zip(table.__struct_fields__, found, strict=True))
    for name in _TUPLES[table]:
        values[name] = tuple(values[name])
    for name, kind in _ENUMS[table].items():
        values[name] = kind(values[name])
    for name in table.WIDE:
        values[name] = int(values[name])
    return table(**values)


async def load(connection: pool.Connection, reads: Sequence[Read]) -> list[list[Row]]:
    """Rows that answer each look-up, by one query for all tables and indexes."""
    answers: list[list[Row]] = [[] for _ in reads]
    groups: dict[Index, list[int]] = defaultdict(list)
    for at, read in enumerate(reads):
        groups[read.table, read.columns].append(at)
    # in one order, whatever is asked for first: each order would be another statement to prepare
    wanted = sorted(groups, key=_query)
    parts = [(_SQL[_query(by)], _columns(reads[at].values for at in groups[by])) for by in wanted]
    for record in await compound.fetch(connection, parts):
        by = wanted[cast(int, record["part"])]
        at = groups[by][cast(int, record["at"]) - 1]  # ordinality counts from 1
        answers[at].append(row_of(by[0], record["found"]))
    return answers


def _query(by: Index) -> str:
    table, columns = by
    return f"load_{table.TABLE}_by_{'_'.join(columns)}"


async def write(connection: pool.Connection, shard: int, changes: Changes) -> None:
    """Delete and upsert what changed; of what is new, many rows are copied, few go with the rest."""
    parts: dict[str, list[Any]] = {
        f"delete_{table.TABLE}": _columns(keys) for table, keys in changes.deleted.items()
    }
    for table, rows in changes.written.items():
        parts[f"put_{table.TABLE}"] = [shard, *_fields(table, rows)]
    for table, rows in changes.created.items():
        if len(rows) < COPIED_MIN:
            parts[f"add_{table.TABLE}"] = [shard, *_fields(table, rows)]
        else:
            await _copy(connection, shard, table, rows)
    await compound.execute(connection, [(_SQL[name], parts[name]) for name in sorted(parts)])


async def _copy(connection: pool.Connection, shard: int, table: type[Row], rows: Sequence[Row]) -> None:
    records = [(shard, *msgspec.structs.astuple(row)) for row in rows]
    columns = ("shard", *table.__struct_fields__)
    await connection.copy_records_to_table(table.TABLE, records=records, columns=columns)


def _columns(keys: Iterable[Key]) -> list[list[Any]]:
    return [list(column) for column in zip(*keys, strict=True)]


def _fields(table: type[Row], rows: Sequence[Row]) -> list[list[Any]]:
    columns = zip(*map(msgspec.structs.astuple, rows), strict=True)
    sent: list[list[Any]] = []
    for name, values in zip(table.__struct_fields__, columns, strict=True):
        told = values if name in _NULLABLE[table] else _once(values)
        sent.append(list(map(_array, told)) if name in _TUPLES[table] else list(told))
    return sent


def _once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """What all rows have, once: the driver takes longer over a value than all that is done to it before."""
    first, last = values[0], values[-1]
    return values[:1] if first == last and values.count(first) == len(values) else values


def _array(values: Iterable[bytes]) -> str:
    """An array of byte strings as Postgres reads it from text."""
    return "{" + ",".join(f'"\\\\x{value.hex()}"' for value in values) + "}"
