"""Bootstraps that TFHE-rs takes for each operation, as its own counter counted them.

`tfhe_rs_counts.json` is written by `tools/count_bootstraps.py`; no number in it is quoted.
"""

from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from streams.fhe.radix.counts import Row

FILE: Final = Path(__file__).parent / "tfhe_rs_counts.json"


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """One operation."""

    operation: str
    bits: int
    operands: str  # "encrypted", "clear", or a clear number's own row
    one_thread: int  # its fewest bootstraps
    many_threads: int  # its shortest chains of bootstraps
    # Whether the count of one thread is of encrypted numbers; the others are of trivial ciphertexts, which
    # take as many or, in sums, some less.
    is_encrypted: bool

    @property
    def fewest(self) -> int:
        """What ours is held against."""
        # Nearly always the count of one thread, but it chooses by latency.
        return min(self.one_thread, self.many_threads)


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    command: str
    tfhe: str  # version of the crate
    threads: int  # that are many
    rows: tuple[Counted, ...]


@cache
def counts() -> Counts:
    """The file's content."""
    return msgspec.json.decode(FILE.read_bytes(), type=Counts)


@cache
def _by_row() -> dict[tuple[str, int, str], Counted]:
    return {(each.operation, each.bits, each.operands): each for each in counts().rows}


def of(row: Row) -> Counted | None:
    """What TFHE-rs takes for a row of ours; nothing where it was not counted."""
    name = row.operation.strip()
    # A rewriting of ours is held against what is written.
    asked = "transfer (whitepaper)" if name == "rewritten" else name
    return counted(asked, row.bits, row.operands)


def counted(operation: str, bits: int, operands: str) -> Counted | None:
    """The row of these names; nothing where there is none."""
    return _by_row().get((operation, bits, operands))
