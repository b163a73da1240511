"""How engines are compared: with each one before, and only our transfers have aims."""

from streams.bench.engines import CRATE, OURS, TRANSFERS, UNCOMPRESSED, Timings
from streams.bench.report import Figure
from streams.bench.timing import Timing


def every(seconds: float) -> Timing:
    return Timing(count=1, seconds=seconds, processor_s=seconds)


def told(figures: list[Figure]) -> list[tuple[str, float, float | None]]:
    return [(each.name, each.value, each.at_least) for each in figures]


def test_our_transfers_are_held_against_both_forms_of_the_crate_s() -> None:
    timings = Timings()
    assert list(timings.add(CRATE, TRANSFERS, every(8))) == []
    assert told(list(timings.add(UNCOMPRESSED, TRANSFERS, every(4)))) == [
        ("tfhe-rs uncompressed: transfers, times tfhe-rs", 2.0, None)
    ]
    assert told(list(timings.add(OURS, TRANSFERS, every(0.5)))) == [
        ("wave: transfers, times tfhe-rs", 16.0, 10.0),
        ("wave: transfers, times tfhe-rs uncompressed", 8.0, 5.0),
    ]
    assert timings.of(UNCOMPRESSED, TRANSFERS).seconds == 4


def test_operations_and_the_other_way_round_have_no_aim() -> None:
    timings = Timings()
    list(timings.add(CRATE, "Add, alone", every(1)))
    assert told(list(timings.add(OURS, "Add, alone", every(0.5)))) == [
        ("wave: Add, alone, times tfhe-rs", 2.0, None)
    ]
    list(timings.add(OURS, TRANSFERS, every(1)))
    assert told(list(timings.add(CRATE, TRANSFERS, every(4)))) == [
        ("tfhe-rs: transfers, times wave", 0.25, None)
    ]
