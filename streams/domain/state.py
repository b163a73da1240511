"""The working set of a decision: the rows it needs, what it changed, and what it has yet to read.

Decisions are pure. One that touches a row that is not in the set raises `Missing`, naming what it wants;
the caller rolls the decision back, loads those rows and decides again (the idea is that of Haxl: a
computation that asks for data in rounds). A *guessing* state takes such a row for absent instead, and tells
what it guessed. A *complete* state, as the memory store and the tests have it, misses nothing.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable
from operator import attrgetter
from typing import Any, Final, TypeVar, cast

import msgspec

from streams.domain.rows import TABLES, Row

R = TypeVar("R", bound=Row)
Key = tuple[Any, ...]

_ABSENT: Final = object()


class Read(msgspec.Struct, frozen=True, gc=False):
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
    created: dict[type[Row], list[Row]] = {}  # rows that the store was asked for and does not have

    def rows(self, table: type[R]) -> list[R]:
        """All rows of a table to write, new ones and others."""
        return cast("list[R]", self.created.get(table, []) + self.written.get(table, []))


def _reader(columns: tuple[str, ...]) -> Callable[[Row], Key]:
    """Reads these columns of a row; the decisions' most frequent step, so it is made once per table."""
    if len(columns) > 1:
        return attrgetter(*columns)
    only = attrgetter(*columns)
    return lambda row: (only(row),)


_KEYS: Final = {table: _reader(table.KEY) for table in TABLES}
_INDEXES: Final = {table: tuple((columns, _reader(columns)) for columns in table.INDEXES) for table in TABLES}


def key_of(row: Row) -> Key:
    """Primary key of a row."""
    return _KEYS[type(row)](row)


class State:
    """Identity map over rows with secondary indexes, change tracking and undo."""

    def __init__(self, *, complete: bool = False) -> None:
        self._complete = complete
        self._rows: dict[type[Row], dict[Key, Row | None]] = defaultdict(dict)
        self._groups: dict[tuple[type[Row], tuple[str, ...]], dict[Key, dict[Key, None]]] = defaultdict(
            lambda: defaultdict(dict)
        )
        self._loaded: set[Read] = set()
        # Whether the store has no such row; None where nobody has looked for it by its key.
        self._dirty: dict[tuple[type[Row], Key], bool | None] = {}
        self._undo: list[tuple[type[Row], Key, Any, bool]] = []
        self._guessed: dict[Read, None] | None = None

    def get(self, table: type[R], *key: Any) -> R | None:
        """The row with this primary key; raises Missing when nobody has looked for it yet."""
        rows = self._rows[table]
        if key not in rows and not self._complete:
            self._miss(Read(table, table.KEY, key))
            rows[key] = None
        return cast("R | None", rows.get(key))

    def find(self, table: type[R], columns: tuple[str, ...], *values: Any) -> list[R]:
        """All rows with these values in an index's columns, ordered by primary key; raises Missing."""
        read = Read(table, columns, values)
        if not self._complete and read not in self._loaded:
            self._miss(read)
            self._loaded.add(read)
        rows = self._rows[table]
        return [cast("R", rows[key]) for key in sorted(self._groups[table, columns][values])]

    @contextlib.contextmanager
    def guessing(self) -> Generator[dict[Read, None]]:
        """Until the end of the context, what was never looked for is absent; gives what that was said of."""
        self._guessed = guessed = {}
        try:
            yield guessed
        finally:
            self._guessed = None

    def forget(self, guessed: Iterable[Read]) -> None:
        """These guesses were wrong; what was decided over them has been rolled back before."""
        for read in guessed:
            if read.columns == read.table.KEY:
                del self._rows[read.table][read.values]
            else:
                self._loaded.discard(read)

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
            key = key_of(row)
            if key not in known:
                self._place(read.table, key, row)
            elif (read.table, key) in self._dirty:
                self._dirty[read.table, key] = False
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
        created: dict[type[Row], list[Row]] = defaultdict(list)
        deleted: dict[type[Row], list[Key]] = defaultdict(list)
        for (table, key), is_new in self._dirty.items():
            row = self._rows[table][key]
            if row is not None:
                is_new = self._is_covered(row) if is_new is None else is_new
                (created if is_new else written)[table].append(row)
            elif not is_new:
                deleted[table].append(key)
        return Changes(dict(written), dict(deleted), dict(created))

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

    def _miss(self, read: Read) -> None:
        if self._guessed is None:
            raise Missing(read)
        self._guessed[read] = None

    def _is_covered(self, row: Row) -> bool:
        """Whether the stored rows of one of its groups are all here, of which it is none."""
        table = type(row)
        return any(Read(table, columns, read(row)) in self._loaded for columns, read in _INDEXES[table])

    def _write(self, table: type[Row], key: Key, row: Row | None) -> None:
        old = self._rows[table].get(key, _ABSENT)
        is_dirty = (table, key) in self._dirty
        self._undo.append((table, key, old, is_dirty))
        self._place(table, key, row)
        if not is_dirty:
            self._dirty[table, key] = None if old is _ABSENT else old is None

    def _place(self, table: type[Row], key: Key, row: Row | None) -> None:
        rows = self._rows[table]
        old = rows.get(key)
        for columns, read in _INDEXES[table]:
            before = None if old is None else read(old)
            after = None if row is None else read(row)
            if before == after:
                continue
            groups = self._groups[table, columns]
            if before is not None:
                groups[before].pop(key, None)
            if after is not None:
                groups[after][key] = None
        rows[key] = row
