"""Rows of 128-bit words: any part of them is expanded as the whole would be."""

import numpy as np

from streams.fhe.formats.mask_stream import MaskStart
from streams.fhe.formats.seeded import WideRows

ROWS = WideRows(
    mask=4,
    bodies=np.arange(6 * 2 * 2, dtype=np.uint64).reshape(6, 2, 2),
    start=MaskStart(b"TFHE_GEN" + bytes(range(16)), 5, 0),
)


def test_a_part_is_the_whole_s_part() -> None:
    whole = ROWS.expanded(0, 6)
    assert whole.shape == (6, 6, 2)
    assert ROWS.expanded(2, 3).tolist() == whole[2:5].tolist()


def test_a_row_is_a_mask_of_the_stream_and_its_body() -> None:
    row = ROWS.expanded(1, 1)[0]
    assert row[:4].reshape(-1).tolist() == MaskStart(ROWS.start.seed, 5 + 4, 0).words(8).tolist()
    assert row[4:].tolist() == ROWS.bodies[1].tolist()
