"""The length of what is written; the crate reads the bytes where keys are."""

import numpy as np
import pytest

from streams.fhe.formats.squashed import Squashed, write_bare, write_list
from streams.fhe.parameters import SQUASHING

MASK = SQUASHING.packed_dimension * SQUASHING.packed_size


# `ct128_bytes` of the known answers: what the crate wrote for a flag, for 8 bits, for 64 bits
@pytest.mark.parametrize(
    ("is_bool", "blocks", "due"), [(True, 1, 98596), (False, 4, 98620), (False, 32, 98844)]
)
def test_a_list_is_as_long_as_the_crate_s(is_bool: bool, blocks: int, due: int) -> None:
    packed = np.zeros((MASK + -(-blocks // 2), 2), np.uint64)
    assert len(write_list(Squashed(is_bool, blocks, (packed,)))) == due


def test_a_bare_element_holds_every_word() -> None:
    words = np.arange(2 * (SQUASHING.dimension + 1), dtype=np.uint64).reshape(-1, 2)
    flag = write_bare(Squashed(True, 1, (words,)))
    number = write_bare(Squashed(False, 4, (words, words[::-1])))
    assert words.tobytes() in flag
    assert words.tobytes() in number
    assert words[::-1].tobytes() in number
    assert b"SquashedNoiseFheBool" in flag[:100]
    assert b"SquashedNoiseFheUint" in number[:100]
