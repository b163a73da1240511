"""Writes streams/adapters/postgres/rows.sql, the queries that load and store rows of `domain/rows.py`.

Run it after a change of the row classes: `python -m tools.rows_sql > streams/adapters/postgres/rows.sql`.
A test fails when the file and the classes differ.
"""

import sys
import types
import typing
from enum import StrEnum
from typing import Final

from streams.domain.rows import TABLES, Row, WorkRow

_HEADER: Final = """\
-- Rows of domain/rows.py: one query per table and look-up. Written by tools/rows_sql.py, not by hand.
-- Arrays of byte strings travel as text, because unnest would flatten an array of arrays.
-- A value that all rows have travels once: unnest fills the shorter array with nulls, coalesce those with it.
-- What is found is a record, so that look-ups in several tables can be one query;
-- `arrays`, always null, tells the driver of a type that the record may have in it.
-- Keys are looked up one by one (`offset 0` keeps the planner from joining otherwise): a plan is kept while
-- its tables grow, and one made when they were small would read them whole until they are analysed again.
"""
# When a work item took a step: columns of the store that no decision reads.
_STEP_TIMES: Final = """,
  claimed_at = case when excluded.state = 'claimed' and o.state <> 'claimed' then now() else o.claimed_at end,
  started_at = case when excluded.state in ('claimed', 'dispatched') and excluded.attempt = o.attempt
    and excluded.deadline_ms > o.deadline_ms then now() else o.started_at end,
  finished_at = case when excluded.state in ('done', 'failed', 'cancelled') and o.state <> excluded.state
    then now() else o.finished_at end"""


def sql_type(annotation: object) -> str:
    """Column type of a field's annotation."""
    if typing.get_origin(annotation) is tuple:
        return "bytea[]"
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return "text"
    if typing.get_origin(annotation) is types.UnionType:  # X | None
        return sql_type(typing.get_args(annotation)[0])
    return {str: "text", int: "bigint", bytes: "bytea", bool: "boolean"}[typing.cast(type, annotation)]


def columns(table: type[Row]) -> dict[str, str]:
    """Columns of a table with their types, in the order of the fields."""
    hints = typing.get_type_hints(table)
    names = table.__struct_fields__
    return {name: "numeric" if name in table.WIDE else sql_type(hints[name]) for name in names}


def _arrays(kinds: list[str], first: int) -> str:
    sent = ("text" if kind == "bytea[]" else kind for kind in kinds)
    return ", ".join(f"${at}::{kind}[]" for at, kind in enumerate(sent, first))


def nullable(table: type[Row]) -> frozenset[str]:
    """Columns that may be null."""
    hints = typing.get_type_hints(table)
    return frozenset(name for name, hint in hints.items() if type(None) in typing.get_args(hint))


def _picked(table: type[Row], name: str, kind: str, at: int) -> str:
    sent = "text" if kind == "bytea[]" else kind
    value = name if name in nullable(table) else f"coalesce({name}, (${at}::{sent}[])[1])"
    return f"{value}::bytea[]" if kind == "bytea[]" else value


def _insert(table: type[Row]) -> str:
    known = columns(table)
    names = ", ".join(known)
    picked = ", ".join(_picked(table, name, kind, at) for at, (name, kind) in enumerate(known.items(), 2))
    return (
        f"insert into {table.TABLE} as o (shard, {names})\nselect $1, {picked}\n"
        f"from unnest({_arrays(list(known.values()), 2)}) as t({names})"
    )


def _add(table: type[Row]) -> str:
    return f"-- name: add_{table.TABLE}\n-- Insert new rows of {table.TABLE}.\n{_insert(table)};\n"


def _put(table: type[Row]) -> str:
    changed = [name for name in columns(table) if name not in table.KEY]
    action = "nothing"
    if changed:
        action = "update set\n  " + ", ".join(f"{name} = excluded.{name}" for name in changed)
        action += _STEP_TIMES if table is WorkRow else ""
    return (
        f"-- name: put_{table.TABLE}\n-- Insert or replace rows of {table.TABLE}.\n"
        f"{_insert(table)}\n"
        f"on conflict ({', '.join(table.KEY)}) do {action};\n"
    )


def _one_by_one(table: type[Row], by: tuple[str, ...], found: str, most: str = "offset 0") -> str:
    """What there is under the key `k`."""
    match = " and ".join(f"o.{name} = k.{name}" for name in by)
    return " ".join(("(select", found, "from", table.TABLE, "as o where", match, most)) + ")"


def _delete(table: type[Row]) -> str:
    known = columns(table)
    keys = f"unnest({_arrays([known[name] for name in table.KEY], 1)}) as k({', '.join(table.KEY)})"
    return (
        f"-- name: delete_{table.TABLE}\n-- Remove rows of {table.TABLE} by primary key.\n"  # noqa: S608 - the names are ours
        f"delete from {table.TABLE} as o where o.ctid = any(array(\n"
        f"  select f.ctid from {keys}\n"
        f"  cross join lateral {_one_by_one(table, table.KEY, 'o.ctid')} as f\n"
        f"));\n"
    )


def query_name(table: type[Row], by: tuple[str, ...]) -> str:
    """Name of the query that loads rows of a table by these columns."""
    return f"load_{table.TABLE}_by_{'_'.join(by)}"


def _load(table: type[Row], by: tuple[str, ...]) -> str:
    known = columns(table)
    wanted = _one_by_one(table, by, "*", "limit 1" if by in table.SAMPLED else "offset 0")
    names = ", ".join(f"o.{name}" for name in known)
    return (
        f"-- name: {query_name(table, by)}\n"
        f"-- Rows of {table.TABLE}; `at` says which of the asked values they answer.\n"
        f"select k.at, row({names}) as found, null::bytea[] as arrays\n"
        f"from unnest({_arrays([known[name] for name in by], 1)}) with ordinality as k({', '.join(by)}, at)\n"
        f"cross join lateral {wanted} as o;\n"
    )


def render() -> str:
    """The whole file."""
    parts = [_HEADER]
    for table in TABLES:
        parts += [_add(table), _put(table), _delete(table)]
        parts += [_load(table, by) for by in dict.fromkeys((table.KEY, *table.INDEXES))]
    return "\n".join(parts)


def create_tables() -> str:
    """Draft of the tables, for who writes a migration."""
    parts: list[str] = []
    for table in TABLES:
        null = nullable(table)
        body = ",\n  ".join(
            f"{name} {kind}" if name in null else f"{name} {kind} not null"
            for name, kind in columns(table).items()
        )
        parts.append(
            f"\ncreate table {table.TABLE} (\n  shard int not null,\n  {body},\n"
            f"  primary key ({', '.join(table.KEY)})\n);"
        )
        for index in table.INDEXES:
            parts.append(
                f"create index {table.TABLE}_{'_'.join(index[1:])} on {table.TABLE} ({', '.join(index)});"
            )
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(create_tables() if "--tables" in sys.argv else render())
