"""Squashing is measured by differences, and nothing is believed that does not decrypt."""

from dataclasses import dataclass

import pytest

from streams.bench.squash import CRATE, OURS, Measured, WrongSquash, compare
from streams.domain.operations import FheType

NUMBER = 77
STORED = (b"stored", FheType.UINT64, NUMBER)


@dataclass
class Time:
    """Stands still but for what is done."""

    now: float = 0.0

    def spend(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Suite:
    """Takes what it is told."""

    time: Time
    bare_s: float
    list_s: float

    def squash(self, ct64: bytes, fhe_type: int, *, compressed: bool = True) -> bytes:
        assert (ct64, fhe_type) == STORED[:2]
        self.time.spend(self.list_s if compressed else self.bare_s)
        return b"list" if compressed else b"bare"

    def lookup_s(self) -> float:
        return 0.0


def measured(time: Time, decompress_s: float, bare_s: float, list_s: float) -> Measured:
    return Measured(Suite(time, bare_s, list_s), lambda: time.spend(decompress_s))


def decrypt(ct128: bytes, compressed: bool) -> int:
    return NUMBER if ct128 == (b"list" if compressed else b"bare") else 0


def test_figures_are_for_a_block_and_without_decompression() -> None:
    time = Time()
    suites = {OURS: measured(time, 1.0, 2.6, 3.4), CRATE: measured(time, 4.0, 36.0, 52.0)}
    report = compare(suites, STORED, decrypt, 2, clock=lambda: time.now)
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


def test_a_result_that_is_another_number_ends_the_measurement() -> None:
    time = Time()
    suites = {OURS: measured(time, 1.0, 2.0, 3.0), CRATE: measured(time, 1.0, 2.0, 3.0)}
    with pytest.raises(WrongSquash, match="77"):
        compare(suites, STORED, lambda _, compressed: NUMBER + compressed, 1, clock=lambda: time.now)


def test_what_disturbs_one_round_disturbs_both_suites_and_does_not_count() -> None:
    time = Time()
    suites = {OURS: measured(time, 1.0, 2.6, 3.4), CRATE: measured(time, 4.0, 36.0, 52.0)}
    readings = 0

    def disturbed() -> float:
        nonlocal readings
        readings += 1
        # Six measured actions of two readings in a round: the first round takes ten seconds more at each.
        return time.now + 10 * min(readings, 12)

    report = compare(suites, STORED, decrypt, 2, clock=disturbed)
    assert [figure.value for figure in report.figures] == [100.0, 50.0, 2000.0, 1000.0, 0.05, 0.05]


def test_a_compression_that_took_less_than_nothing_meets_no_aim() -> None:
    time = Time()
    suites = {OURS: measured(time, 1.0, 2.6, 3.4), CRATE: measured(time, 4.0, 36.0, 35.0)}
    report = compare(suites, STORED, decrypt, 1, clock=lambda: time.now)
    assert report.figures[-1].name == "compress, ratio"
    assert report.figures[-1].is_met is False
