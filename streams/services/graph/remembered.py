"""Rows as an owner last saw them, so that a block can be decided before the store has said a word.

They are guesses and no more: what is decided over them counts once the store has given the same rows.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from streams.domain.rows import TABLES, BlockRow, HandleRow, Row, TenantRow
from streams.domain.state import Changes, Read, key_of

# What a block of a chain leads to: its tenant, the tip, the handles that earlier ones made.
_TABLES: Final = frozenset({TenantRow, BlockRow, HandleRow})
_SAMPLED: Final = tuple((table, columns) for table in TABLES for columns in table.SAMPLED)
_MOST: Final = 16_384  # some 10 MB


class Remembered:
    """The rows that were used last, of all shards of a process."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._rows: OrderedDict[Read, Row] = OrderedDict()
        self._populated: set[Read] = set()

    def get(self, read: Read) -> Row | None:
        """The row under a primary key, if it is remembered."""
        row = self._rows.get(read)
        if row is not None:
            self._rows.move_to_end(read)
        return row

    def is_populated(self, read: Read) -> bool:
        """Whether there was a row by a sampled index when it was last seen."""
        return read in self._populated

    def learn(self, read: Read, rows: Sequence[Row]) -> None:
        """What the store has said of a look-up."""
        if read.columns in read.table.SAMPLED:
            (self._populated.add if rows else self._populated.discard)(read)
        if read.table in _TABLES and read.columns == read.table.KEY:
            self._rows.pop(read, None)
            for row in rows:
                self._put(read, row)

    def keep(self, changes: Changes) -> None:
        """What is being written."""
        for table in _TABLES:
            for row in changes.rows(table):
                self._put(Read(table, table.KEY, key_of(row)), row)
        for table, columns in _SAMPLED:
            for row in changes.rows(table):
                values = tuple(getattr(row, name) for name in columns)
                self._populated.add(Read(table, columns, values))

    def _put(self, read: Read, row: Row) -> None:
        self._rows[read] = row
        self._rows.move_to_end(read)
        if len(self._rows) > self._most:
            self._rows.popitem(last=False)
