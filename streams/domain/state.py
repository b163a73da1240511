"""The working set of a decision: the rows it needs, what it changed, and what it has yet to read.

Decisions are pure. One that touches a row that is not in the set raises `Missing`, naming what it wants;
the caller rolls the decision back, loads those rows and decides again (the idea is that of Haxl: a
computation that asks for data in rounds). A *guessing* state takes such a row for absent instead, and tells
what it guessed. A *complete* state, as the memory store and the tests have it, misses nothing.

What the rows at hand prove to be absent is not asked for: `presume` says so.
"""

import contextlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable
from operator import attrgetter, itemgetter
from typing import Any, Final, TypeVar, cast

import msgspec

from streams.domain.lifecycle import WorkState
from streams.domain.rows import TABLES, CiphertextRow, Row, WorkRow

R = TypeVar("R", bound=Row)
Key = tuple[Any, ...]
Step = Callable[["State"], None]

_MOVING: Final = frozenset({WorkState.READY, WorkState.CLAIMED})
_ABSENT: Final = object()
_PRESUMED: Final = object()


class Read(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """A look-up by key columns: the primary key's, or those of an index."""

    table: type[Row]
    columns: tuple[str, ...]
    values: Key


Guesses = dict[Read, bool]
"""Look-ups that are said to find nothing, and whether other rows prove already that this is wrong."""


class Missing(Exception):
    """The decision needs rows that are not in the working set."""

    def __init__(self, read: Read) -> None:
        super().__init__(read)
        self.read = read


class Changes(msgspec.Struct, frozen=True):
    """What a batch of decisions did: rows to write and keys to delete, per table."""

    written: dict[type[Row], list[Row]]
    deleted: dict[type[Row], list[Key]]
    created: dict[
        type[Row], list[Row]
    ] = {}  # rows that the store does not have: it was asked, or rows at hand prove it

    def rows(self, table: type[R]) -> list[R]:
        """All rows of a table to write, new ones and others."""
        return cast("list[R]", self.created.get(table, []) + self.written.get(table, []))


def _reader(columns: tuple[str, ...]) -> Callable[[Row], Key]:
    """Reads these columns of a row; the decisions' most frequent step, so it is made once per table."""
    if len(columns) > 1:
        return attrgetter(*columns)
    only = attrgetter(*columns)
    return lambda row: (only(row),)


def _reader_of_key(table: type[Row], columns: tuple[str, ...]) -> Callable[[Key], Key] | None:
    """Reads these columns of a row's key; None where they are not all in it."""
    if not set(columns) <= set(table.KEY):
        return None
    places = [table.KEY.index(name) for name in columns]
    # One place as a slice, or it would be no tuple.
    return itemgetter(*places) if len(places) > 1 else itemgetter(slice(places[0], places[0] + 1))


_KEYS: Final = {table: _reader(table.KEY) for table in TABLES}


def key_of(row: Row) -> Key:
    """Primary key of a row."""
    return _KEYS[type(row)](row)


class _Index:
    """Keys of a table's rows by the values in other columns, and the values that were looked for."""

    __slots__ = ("groups", "loaded", "of_key", "of_row")

    def __init__(self, table: type[Row], columns: tuple[str, ...]) -> None:
        self.of_row = _reader(columns)
        self.of_key = _reader_of_key(table, columns)
        self.groups: dict[Key, dict[Key, None]] = defaultdict(dict)
        self.loaded: set[Key] = set()

    def fill(self, rows: dict[Key, Any]) -> None:
        """Group the rows that there are."""
        for key, row in rows.items():
            if row is not None:
                self.groups[self.of_row(row)][key] = None

    def move(self, key: Key, old: Row | None, row: Row | None) -> None:
        """Another row is under the key."""
        if self.of_key is not None and old is not None and row is not None:
            return  # it is found under the same values
        before = None if old is None else self.of_row(old)
        after = None if row is None else self.of_row(row)
        if before == after:
            return
        if before is not None:
            self.groups[before].pop(key, None)
        if after is not None:
            self.groups[after][key] = None


class _Table:
    """The rows of one table; a key without a row is known to be absent, or deleted."""

    __slots__ = ("changed", "filled", "groupings", "indexes", "key_of", "rows")

    def __init__(self, table: type[Row]) -> None:
        self.key_of = _KEYS[table]
        self.rows: dict[Key, Any] = {}
        # Keys of changed rows: whether the store has none; None where nobody has looked for it by its key.
        self.changed: dict[Key, bool | None] = {}
        self.indexes = {columns: _Index(table, columns) for columns in table.INDEXES}
        # Those that were searched; most decisions write into many indexes and search few.
        self.filled: list[_Index] = []
        self.groupings = [(i.of_key, i.loaded) for i in self.indexes.values() if i.of_key is not None]

    def place(self, key: Key, row: Row | None) -> None:
        """Put a row, or its absence, under its key."""
        old = self.rows.get(key)
        self.rows[key] = row
        for index in self.filled:
            index.move(key, old, row)

    def group(self, index: _Index, values: Key) -> list[Any]:
        """Rows with these values in an index's columns, ordered by primary key."""
        if index not in self.filled:
            index.fill(self.rows)
            self.filled.append(index)
        group = index.groups.get(values)
        return [self.rows[key] for key in sorted(group)] if group else []

    def is_covered(self, key: Key, row: Row) -> bool:
        """Whether the stored rows of one of its groups are all here, of which it is none."""
        if self.is_proven_absent(key):
            return True
        return any(index.of_row(row) in index.loaded for index in self.indexes.values() if index.loaded)

    def is_proven_absent(self, key: Key) -> bool:
        """The same of a key that is not here."""
        for of_key, loaded in self.groupings:  # noqa: SIM110 - asked so often that a generator would cost more
            if loaded and of_key(key) in loaded:
                return True
        return False


class _Tables(dict[type[Row], _Table]):
    def __missing__(self, table: type[Row]) -> _Table:
        made = self[table] = _Table(table)
        return made


class State:
    """Identity map over rows with secondary indexes, change tracking and undo."""

    def __init__(self, *, complete: bool = False) -> None:
        self._complete = complete
        self._tables = _Tables()
        self._undo: list[tuple[Any, Key, Any, bool]] = []
        self._guessed: Guesses | None = None
        self._put_off: list[Step] | None = None

    def get(self, table: type[R], *key: Any) -> R | None:
        """The row with this primary key; raises Missing when nobody has looked for it yet."""
        row = self._tables[table].rows.get(key, _ABSENT)
        if row is not _ABSENT:
            return row
        self._look_for(table, key)
        return None

    def need(self, table: type[R], *key: Any) -> R | None:
        """The row with this primary key, which other rows prove to exist; raises Missing.

        None while it is guessed to be absent: whoever walks a list goes on without it, so that one round asks
        for the rows of the whole list and not for the first.
        """
        row = self.get(table, *key)
        if row is None:
            read = Read(table, table.KEY, key)
            if self._guessed is None or read not in self._guessed:
                raise AssertionError(f"no row of {table.TABLE} under {key}")
            self._guessed[read] = True
        return row

    def find(self, table: type[R], columns: tuple[str, ...], *values: Any) -> list[R]:
        """All rows with these values in an index's columns, ordered by primary key; raises Missing."""
        known = self._tables[table]
        index = known.indexes[columns]
        if values not in index.loaded and not self._complete:
            self._miss(Read(table, columns, values))
            index.loaded.add(values)
        return known.group(index, values)

    def presume(self, table: type[Row], columns: tuple[str, ...], *values: Any) -> None:
        """What is not in the set and would answer this look-up does not exist: rows at hand prove it.

        It is taken back with the decision, so the proof may rest on a guess.
        """
        if self._complete:
            return
        known = self._tables[table]
        if columns != table.KEY:
            index = known.indexes[columns]
            if values not in index.loaded:
                index.loaded.add(values)
                self._undo.append((index, values, _PRESUMED, False))
        elif values not in known.rows:
            known.rows[values] = None
            self._undo.append((known, values, _ABSENT, False))

    @contextlib.contextmanager
    def guessing(self, guessed: Guesses) -> Generator[None]:
        """Until the end of the context, what was never looked for is absent; adds what that is said of."""
        self._guessed = guessed
        try:
            yield
        finally:
            self._guessed = None

    @contextlib.contextmanager
    def putting_off(self) -> Generator[list[Step]]:
        """Until the end of the context, what decisions leave for `later` is not done; gives those steps."""
        self._put_off = steps = []
        try:
            yield steps
        finally:
            self._put_off = None

    def later(self, step: Step) -> None:
        """Do it now or, where the caller puts off, after what is urgent; it raises nothing but Missing."""
        if self._put_off is None:
            step(self)
        else:
            self._put_off.append(step)

    def forget(self, guessed: Iterable[Read]) -> None:
        """These guesses were wrong; what was decided over them has been rolled back before."""
        for read in guessed:
            known = self._tables[read.table]
            if read.columns == read.table.KEY:
                known.place(read.values, None)
                del known.rows[read.values]
            else:
                known.indexes[read.columns].loaded.discard(read.values)

    def put(self, row: Row) -> None:
        """Insert or replace."""
        self._write(row, row, None)

    def add(self, row: Row) -> None:
        """Insert what nobody stored: it was asked for, or rows at hand prove it."""
        self._write(row, row, True)

    def delete(self, row: Row) -> None:
        """Remove."""
        self._write(row, None, None)

    def is_loaded(self, read: Read) -> bool:
        """Whether the working set has the answer already."""
        known = self._tables[read.table]
        if read.columns == read.table.KEY:
            return read.values in known.rows
        return read.values in known.indexes[read.columns].loaded

    def load(self, read: Read, rows: Iterable[Row]) -> None:
        """Take the stored answer of a look-up; rows that the set holds already are newer and stay."""
        known = self._tables[read.table]
        for row in rows:
            key = known.key_of(row)
            if key not in known.rows:
                known.place(key, row)
            elif key in known.changed:
                known.changed[key] = False
        if read.columns == read.table.KEY:
            known.rows.setdefault(read.values, None)
        else:
            known.indexes[read.columns].loaded.add(read.values)

    def mark(self) -> int:
        """A point to roll back to."""
        return len(self._undo)

    def rollback(self, mark: int) -> None:
        """Take back every change since the mark."""
        # backwards, so that a row that was written twice ends as it began
        while len(self._undo) > mark:
            place, key, old, was_changed = self._undo.pop()
            if old is _PRESUMED:
                place.loaded.discard(key)
                continue
            place.place(key, None if old is _ABSENT else old)
            if old is _ABSENT:
                del place.rows[key]
            if not was_changed:
                place.changed.pop(key, None)

    def settle(self) -> None:
        """What was changed is stored: from here on it is what the store has, and cannot be taken back.

        Items that are ready or claimed are forgotten: the end of the transaction may have moved them on.
        So are ciphertexts, which are large, and which messages need but no decision.
        """
        for known in self._tables.values():
            known.changed.clear()
        self._undo.clear()
        items = self._tables[WorkRow].rows
        for key in [key for key, row in items.items() if row is not None and row.state in _MOVING]:
            del items[key]
        self._tables[CiphertextRow].rows.clear()

    def changes(self) -> Changes:
        """Everything that was changed since the set was made or last settled."""
        made = Changes({}, {}, {})
        for table, known in self._tables.items():
            created: list[Row] = []
            written: list[Row] = []
            deleted: list[Key] = []
            for key, is_new in known.changed.items():
                row = known.rows[key]
                if row is None:
                    if not (is_new or (is_new is None and known.is_proven_absent(key))):
                        deleted.append(key)
                elif is_new or (is_new is None and known.is_covered(key, row)):
                    created.append(row)
                else:
                    written.append(row)
            if created:
                made.created[table] = created
            if written:
                made.written[table] = written
            if deleted:
                made.deleted[table] = deleted
        return made

    def replaced(self, table: type[R], since: int = 0) -> list[tuple[R | None, R | None]]:
        """Rows of a table that were changed since a mark: as they were before, and as they are."""
        known = self._tables[table]
        if not known.changed:  # most transactions change none: their other changes are not looked through
            return []
        before: dict[Key, R | None] = {}
        for changed, key, old, _ in itertools.islice(self._undo, since, None):
            if changed is known and key in known.changed:
                before.setdefault(key, None if old is _ABSENT else old)
        return [(old, known.rows[key]) for key, old in before.items()]

    def rows(self, table: type[R]) -> list[R]:
        """All rows of a table that the set holds, by primary key."""
        return [
            row for _, row in sorted(self._tables[table].rows.items(), key=itemgetter(0)) if row is not None
        ]

    def _look_for(self, table: type[Row], key: Key) -> None:
        known = self._tables[table]
        if self._complete or known.is_proven_absent(key):
            return
        self._miss(Read(table, table.KEY, key))
        known.rows[key] = None

    def _miss(self, read: Read) -> None:
        if self._guessed is None:
            raise Missing(read)
        self._guessed[read] = False  # once: from then on it is known to be absent

    def _write(self, under: Row, row: Row | None, is_new: bool | None) -> None:
        """Put a row, or nothing, under the key of one; `is_new` where the set does not know."""
        table = self._tables[type(under)]
        key, rows = table.key_of(under), table.rows
        old = rows.get(key, _ABSENT)
        was_changed = old is not _ABSENT and key in table.changed
        self._undo.append((table, key, old, was_changed))
        if not was_changed:
            table.changed[key] = is_new if old is _ABSENT else old is None
        rows[key] = row
        for index in table.filled:
            index.move(key, None if old is _ABSENT else old, row)
