"""A look-up of the crate is a slope, one of ours a share of its batch."""

from dataclasses import dataclass, field

import pytest

from streams.bench.lookups import BATCHES, compare

LOOK_UPS = 32  # of bitwise and on 64 bits, as the crate counts


@dataclass
class Time:
    """Stands still but for what is done, which takes longer the first time."""

    now: float = 0.0
    seen: set[tuple[str, int]] = field(default_factory=set)

    def spend(self, what: str, size: int, seconds: float) -> None:
        self.now += seconds if (what, size) in self.seen else 10 * seconds
        self.seen.add((what, size))


def test_what_a_component_takes_besides_falls_out() -> None:
    time = Time()
    report = compare(
        lambda length: time.spend("crate", length, 7.0 + LOOK_UPS * length * 0.010),
        lambda count: time.spend("ours", count, 0.002 + count * 0.003),
        repeats=2,
        clock=lambda: time.now,
    )
    found = {each.name: each for each in report.figures}
    assert found["look-up, tfhe-rs"].value == 10.0
    each = [found[f"look-up, wave, {count} at once"].value for count in BATCHES]
    assert each == pytest.approx([3 + 2 / count for count in BATCHES], abs=0.001)
    ratios = [found[f"look-up, wave, {count} at once, ratio"].value for count in BATCHES]
    assert ratios == pytest.approx([value / 10 for value in each], abs=0.001)
    assert [found[f"look-up, wave, {count} at once, ratio"].is_met for count in BATCHES] == [True, True, True]


def test_aims_are_for_one_alone_and_for_many() -> None:
    time = Time()
    report = compare(
        lambda length: time.spend("crate", length, LOOK_UPS * length * 0.010),
        lambda count: time.spend("ours", count, count * 0.005),
        repeats=2,
        clock=lambda: time.now,
    )
    met = {each.name: each.is_met for each in report.figures if each.is_met is not None}
    assert list(met.values()) == [True, False, False]
