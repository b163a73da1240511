"""Squashing and compression are measured apart and in turns; what does not decrypt is not believed."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from streams.bench.report import Report
from streams.bench.squash import CRATE, OURS, Measured, WrongSquash, compare
from streams.domain.operations import FheType

NUMBER = 77


@dataclass
class Time:
    """Stands still but for what is done."""

    now: float = 0.0

    def spend(self, seconds: float) -> None:
        self.now += seconds


def engine(time: Time, decompress_s: float, squash_s: float, compress_s: float) -> Measured:
    """Takes what it is told; what it squashed is a number, of which it makes bytes."""

    def squash() -> int:
        time.spend(decompress_s + squash_s)
        return NUMBER

    def compress(squashed: int) -> bytes:
        time.spend(compress_s)
        return bytes([squashed])

    return Measured(lambda: time.spend(decompress_s), squash, compress)


def compared(time: Time, repeats: int, clock: Callable[[], float]) -> Report:
    engines = {OURS: engine(time, 1.0, 1.6, 0.8), CRATE: engine(time, 4.0, 32.0, 16.0)}
    return compare(engines, FheType.UINT64, NUMBER, lambda ct128: ct128[0], repeats, clock)


def test_figures_are_for_a_block_and_without_decompression() -> None:
    time = Time()
    report = compared(time, 2, lambda: time.now)
    assert report.setting == {"bits": 64, "blocks": 16, "repeats": 2}
    assert {figure.name: figure.value for figure in report.figures} == {
        "squash, wave": 100.0,
        "compress, wave": 50.0,
        "squash, tfhe-rs": 2000.0,
        "compress, tfhe-rs": 1000.0,
        "squash, ratio": 0.05,
        "compress, ratio": 0.05,
    }
    assert [figure.is_met for figure in report.figures[-2:]] == [True, True]


def test_a_round_that_is_disturbed_does_not_count() -> None:
    time, readings = Time(), 0

    def disturbed() -> float:
        nonlocal readings
        readings += 1
        # Four readings for each of two engines in a round; in the first one each takes ten seconds more.
        return time.now + 10 * min(readings, 8)

    report = compared(time, 2, disturbed)
    assert [figure.value for figure in report.figures] == [100.0, 50.0, 2000.0, 1000.0, 0.05, 0.05]


def test_squashing_that_took_less_than_nothing_meets_no_aim() -> None:
    """Less than the decompression that is taken off: neighbours disturbed that one."""
    time = Time()
    engines = {OURS: engine(time, 1.0, -0.5, 0.8), CRATE: engine(time, 4.0, 32.0, 16.0)}
    report = compare(engines, FheType.UINT64, NUMBER, lambda ct128: ct128[0], 1, lambda: time.now)
    assert report.figures[-2].name == "squash, ratio"
    assert report.figures[-2].is_met is False


def test_a_result_that_is_another_number_ends_the_measurement() -> None:
    time = Time()
    engines = {OURS: engine(time, 1.0, 2.0, 3.0), CRATE: engine(time, 1.0, 2.0, 3.0)}
    with pytest.raises(WrongSquash, match="77"):
        compare(engines, FheType.UINT64, NUMBER, lambda ct128: ct128[0] + 1, 1, lambda: time.now)
