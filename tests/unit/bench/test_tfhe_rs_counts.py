"""Fewer bootstraps than TFHE-rs, row by row, over what its own counter counted."""

import pytest

from streams.bench import tfhe_rs_counts
from streams.fhe.radix.counts import Row, rows
from streams.fhe.radix.forms import Form

WIDTHS = (8, 64)
# One look-up per block on either side: each result's digit is another function of two digits that have
# sixteen values together, which is all that a table takes.
EQUAL = {
    *((name, bits, "encrypted") for name in ("BitAnd", "BitOr", "BitXor") for bits in WIDTHS),
    *((name, bits, "clear") for name in ("Shl", "Shr", "Rotl", "Rotr") for bits in WIDTHS),
    # Two pairs of digits, then both flags: a pair with a known number fills a table by itself.
    *((name, 8, "clear") for name in ("Eq", "Ne")),
    # The same numbers for the same seeds: each of their blocks has a phase of its own.
    *((name, bits, "clear") for name in ("Rand", "RandBounded") for bits in WIDTHS),
}
ROWS = [row for bits in WIDTHS for row in rows(bits) if row.form is Form.THROUGHPUT]


def name(row: Row) -> str:
    return f"{row.operation.strip()}-{row.bits}-{row.operands}"


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_no_operation_takes_more_than_tfhe_rs(row: Row) -> None:
    theirs = tfhe_rs_counts.of(row)
    assert theirs is not None
    if theirs.fewest == 0 or (row.operation, row.bits, row.operands) in EQUAL:
        assert row.cost.look_ups == theirs.fewest
    else:
        assert row.cost.look_ups < theirs.fewest


def test_what_was_counted_is_what_there_is() -> None:
    counted = {(each.operation, each.bits, each.operands) for each in tfhe_rs_counts.counts().rows}
    asked = {(row.operation, row.bits, row.operands) for row in ROWS if row.operation[0] != " "}
    assert counted == asked


def test_the_rewritten_transfer_is_held_against_what_was_written() -> None:
    (rewritten,) = [row for row in ROWS if row.operation == "  rewritten"]
    (written,) = [row for row in ROWS if row.operation == "transfer (whitepaper)"]
    assert tfhe_rs_counts.of(rewritten) == tfhe_rs_counts.of(written)


def test_other_widths_were_not_counted() -> None:
    (row,) = [
        row for row in rows(16) if (row.operation, row.operands, row.form) == ("Eq", "clear", "throughput")
    ]
    assert tfhe_rs_counts.of(row) is None
