"""Commits never pass unfinished work."""

from hypothesis import given
from hypothesis import strategies as st

from streams.adapters.kafka.offsets import OpenOffsets


def test_nothing_to_commit_before_the_first_is_finished() -> None:
    offsets = OpenOffsets()
    for offset in (5, 6, 7):
        offsets.begin(offset)
    assert offsets.finish(6) is None
    assert offsets.finish(7) is None
    assert offsets.finish(5) == 8


def test_commit_stops_at_the_lowest_open_offset() -> None:
    offsets = OpenOffsets()
    for offset in (0, 1, 2):
        offsets.begin(offset)
    assert offsets.finish(0) == 1
    assert offsets.finish(2) is None
    assert offsets.finish(1) == 3


def test_offsets_may_have_gaps() -> None:
    offsets = OpenOffsets()
    offsets.begin(3)
    offsets.begin(9)
    assert offsets.finish(3) == 9
    assert offsets.finish(9) == 10


@given(st.data())
def test_law_for_every_order(data: st.DataObject) -> None:
    begun = sorted(data.draw(st.sets(st.integers(0, 50), min_size=1)))
    offsets = OpenOffsets()
    for offset in begun:
        offsets.begin(offset)
    unfinished = set(begun)
    for offset in data.draw(st.permutations(begun)):
        unfinished.discard(offset)
        commit = offsets.finish(offset)
        if commit is not None:
            assert commit == min(unfinished, default=begun[-1] + 1)
    assert not unfinished
    assert commit == begun[-1] + 1
