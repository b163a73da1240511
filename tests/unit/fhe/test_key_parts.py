"""Work is held where the key set lacks what it needs, and only that work."""

import pytest

from streams.domain.errors import KeyPartMissing
from streams.fhe.key_parts import NEEDS, Part, check, held

HELD = {
    Part.PUBLIC: {"tfhe", "zkproof"},
    Part.CASTING: {"zkproof"},
    Part.COMPRESSION: {"tfhe", "zkproof", "sns"},
    Part.SQUASHING: {"sns"},
    Part.RE_RANDOMISATION: {"tfhe"},
    Part.RANDOM: {"tfhe"},
    Part.EXPANDED: {"zkproof"},
}


@pytest.mark.parametrize("part", Part)
def test_a_part_holds_the_work_that_needs_it(part: Part) -> None:
    assert {work_class for work_class in NEEDS if held((part,), work_class)} == HELD[part]


def test_a_whole_key_set_holds_nothing() -> None:
    for work_class in (*NEEDS, "sender"):
        check((), work_class)


def test_the_reason_names_every_part_that_is_missing() -> None:
    with pytest.raises(KeyPartMissing) as raised:
        check((Part.PUBLIC, Part.SQUASHING, Part.RANDOM), "tfhe")
    assert str(raised.value) == (
        "tfhe work is held: the key set has no public key, no key for random numbers"
    )
