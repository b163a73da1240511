"""The working set of a decision: the rows it needs, what it changed, and what it has yet to read.

Decisions are pure. One that touches a row that is not in the set raises `Missing`, naming what it wants;
the caller rolls the decision back, loads those rows and decides again (the idea is that of Haxl: a
computation that asks for data in rounds). A *complete* state, as the memory store and the tests have it,
misses nothing.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final, TypeVar, cast

import msgspec

from streams.domain.rows import Row

R = TypeVar("R", bound=Row)
Key = tuple[Any, ...]

_ABSENT: Final = object()


class Read(msgspec.Struct, frozen=True):
    """A look-up by key columns: the primary key's, or those of an index."""

    table: type[Row]
    columns: tuple[str, ...]
    values: Key


class Missing(Exception):
    """The decision needs rows that are not in the working set."""

    def __init__(self, read: Read) -> None:
        super().__init__(read)
        self.read = read


class Changes(msgspec.Struct, frozen=True):
    """What a batch of decisions did: rows to write and keys to delete, per table."""

    written: dict[type[Row], list[Row]]
    deleted: dict[type[Row], list[Key]]


def key_of(row: Row) -> Key:
    """Primary key of a row."""
    return tuple(getattr(row, column) for column in row.KEY)


class State:
    """Identity map over rows with secondary indexes, change tracking and undo."""

    def __init__(self, *, complete: bool = False) -> None:
        self._complete = complete
        self._rows: dict[type[Row], dict[Key, Row | None]] = defaultdict(dict)
        self._groups: dict[tuple[type[Row], tuple[str, ...]], dict[Key, dict[Key, None]]] = defaultdict(
            lambda: defaultdict(dict)
        )
        self._loaded: set[Read] = set()
        self._dirty: dict[tuple[type[Row], Key], None] = {}
        self._undo: list[tuple[type[Row], Key, Any, bool]] = []

    def get(self, table: type[R], *key: Any) -> R | None:
        """The row with this primary key; raises Missing when nobody has looked for it yet."""
        rows = self._rows[table]
        if key not in rows:
            if self._complete:
                return None
            raise Missing(Read(table, table.KEY, key))
        return cast("R | None", rows[key])

    def find(self, table: type[R], columns: tuple[str, ...], *values: Any) -> list[R]:
        """All rows with these values in an index's columns, ordered by primary key; raises Missing."""
        read = Read(table, columns, values)
        if not self._complete and read not in self._loaded:
            raise Missing(read)
        rows = self._rows[table]
        return [cast("R", rows[key]) for key in sorted(self._groups[table, columns][values])]

    def put(self, row: Row) -> None:
        """Insert or replace."""
        self._write(type(row), key_of(row), row)

    def delete(self, row: Row) -> None:
        """Remove."""
        self._write(type(row), key_of(row), None)

    def is_loaded(self, read: Read) -> bool:
        """Whether the working set has the answer already."""
        if read.columns == read.table.KEY:
            return read.values in self._rows[read.table]
        return read in self._loaded

    def load(self, read: Read, rows: Iterable[Row]) -> None:
        """Take the stored answer of a look-up; rows that the set holds already are newer and stay."""
        known = self._rows[read.table]
        for row in rows:
            if key_of(row) not in known:
                self._place(read.table, key_of(row), row)
        if read.columns == read.table.KEY:
            known.setdefault(read.values, None)
        else:
            self._loaded.add(read)

    def mark(self) -> int:
        """A point to roll back to."""
        return len(self._undo)

    def rollback(self, mark: int) -> None:
        """Take back every change since the mark."""
        while len(self._undo) > mark:
            table, key, old, was_dirty = self._undo.pop()
            self._place(table, key, None if old is _ABSENT else cast("Row | None", old))
            if old is _ABSENT:
                del self._rows[table][key]
            if not was_dirty:
                self._dirty.pop((table, key), None)

    def changes(self) -> Changes:
        """Everything that was changed since the set was made."""
        written: dict[type[Row], list[Row]] = defaultdict(list)
        deleted: dict[type[Row], list[Key]] = defaultdict(list)
        for table, key in self._dirty:
            row = self._rows[table][key]
            if row is None:
                deleted[table].append(key)
            else:
                written[table].append(row)
        return Changes(dict(written), dict(deleted))

    def replaced(self, table: type[R]) -> list[tuple[R | None, R | None]]:
        """Rows of a table that were changed: as they were before, and as they are."""
        before: dict[Key, R | None] = {}
        for changed, key, old, _ in self._undo:
            if changed is table:
                before.setdefault(key, None if old is _ABSENT else cast("R | None", old))
        return [(old, cast("R | None", self._rows[table][key])) for key, old in before.items()]

    def rows(self, table: type[R]) -> list[R]:
        """All rows of a table that the set holds, by primary key."""
        return [cast("R", row) for _, row in sorted(self._rows[table].items()) if row is not None]

    def _write(self, table: type[Row], key: Key, row: Row | None) -> None:
        old = self._rows[table].get(key, _ABSENT)
        self._undo.append((table, key, old, (table, key) in self._dirty))
        self._place(table, key, row)
        self._dirty[table, key] = None

    def _place(self, table: type[Row], key: Key, row: Row | None) -> None:
        old = self._rows[table].get(key)
        for columns in table.INDEXES:
            if old is not None:
                self._groups[table, columns][_values(old, columns)].pop(key, None)
            if row is not None:
                self._groups[table, columns][_values(row, columns)][key] = None
        self._rows[table][key] = row


def _values(row: Row, columns: tuple[str, ...]) -> Key:
    return tuple(getattr(row, column) for column in columns)
