"""Rows that are stored are those of whole batches of blocks, each row once."""

from streams.bench.state import _BLOCKS, _TRANSFERS, _batches
from streams.domain.rows import ComputationRow
from streams.domain.state import key_of


def test_batches_hold_every_row_once_and_enough() -> None:
    batches = _batches(8_000)
    assert len(batches) == 2
    assert sum(len(rows) for batch in batches for rows in batch.values()) >= 8_000
    assert all(rows for batch in batches for rows in batch.values())
    keys = [key_of(row) for batch in batches for row in batch[ComputationRow]]
    assert len(keys) == len(set(keys)) == 2 * _BLOCKS * _TRANSFERS * 6
