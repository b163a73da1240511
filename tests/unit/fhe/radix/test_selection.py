"""Choosing by a condition whose range decides it, though it is a ciphertext."""

import pytest

from streams.fhe.radix.block import Block, Wire
from streams.fhe.radix.selection import select

DIGIT = (0, 6)


@pytest.mark.parametrize("value", [0, 1, 8])
def test_a_condition_with_one_value_chooses_without_a_look_up(value: int) -> None:
    """A comparison whose operands' ranges decide it looks up a constant: its block has a wire."""
    condition = Block.of(Wire(2 * value, 2 * value))
    assert not condition.is_constant
    yes, no = ([Block.of(Wire(*DIGIT)) for _ in range(4)] for _ in range(2))
    steps = select(condition, yes, no)
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == (yes if value else no)
