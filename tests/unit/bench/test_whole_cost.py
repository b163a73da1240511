"""The whole cost of a transfer: nothing is believed that does not decrypt, and the part is of the first."""

import pytest

from streams.bench.whole_cost import squashed_core_s, whole_figures
from streams.domain.operations import FheType
from streams.fhe.wave.measure import WrongResult

NUMBERS = [(b"one", 1), (b"two", 2)]


class Suite:
    """Keeps what it was given."""

    def __init__(self) -> None:
        self.seen = list[bytes]()

    def squash(self, ct64: bytes, fhe_type: int, *, compressed: bool = True) -> bytes:
        assert (fhe_type, compressed) == (FheType.UINT64, True)
        self.seen.append(ct64)
        return b"squashed " + ct64

    def lookup_s(self) -> float:
        return 0.0


class Decryptor:
    def __init__(self, numbers: dict[bytes, int]) -> None:
        self._numbers = numbers

    def decrypt(self, ct128: bytes, fhe_type: int, *, compressed: bool = True) -> int:
        assert (fhe_type, compressed) == (FheType.UINT64, True)
        return self._numbers[ct128]


def test_numbers_are_squashed_and_opened_after_one_that_is_not_measured() -> None:
    suite = Suite()
    opened = Decryptor({b"squashed one": 1, b"squashed two": 2})
    assert squashed_core_s(suite, NUMBERS, opened) >= 0
    assert suite.seen == [b"one", b"one", b"two"]


def test_another_number_ends_the_measurement() -> None:
    with pytest.raises(WrongResult, match="2 was squashed to 3"):
        squashed_core_s(Suite(), NUMBERS, Decryptor({b"squashed one": 1, b"squashed two": 3}))


def test_a_part_is_of_the_first_engine_and_ours_has_an_aim() -> None:
    wholes = {"tfhe-rs": 40.0}
    (alone,) = whole_figures("tfhe-rs", wholes)
    assert (alone.name, alone.value, alone.unit, alone.is_met) == (
        "tfhe-rs: transfer, 3 results squashed",
        40.0,
        "core-seconds",
        None,
    )
    wholes["wave"] = 5.0
    _, part = whole_figures("wave", wholes)
    assert (part.name, part.value) == ("wave: transfer, 3 results squashed, part of tfhe-rs", 0.125)
    assert part.is_met
    _, part = whole_figures("wave", wholes | {"wave": 6.0})
    assert part.is_met is False
    reverse = {"wave": 5.0, "tfhe-rs": 40.0}
    _, part = whole_figures("tfhe-rs", reverse)
    assert (part.value, part.is_met) == (8.0, None)
