"""`bench fhe --compare`: both engines compute the same, and the report says how they did."""

import pytest
from typer.testing import CliRunner

from streams.bench import components, engines, lookup_keys, lookups
from streams.cli import app
from streams.domain.errors import ConfigurationError
from streams.fhe.wave.measure import WrongResult

pytestmark = pytest.mark.fhe


def test_both_engines_are_measured_on_the_same_work() -> None:
    report = engines.measure(("tfhe-rs", "wave"), transfers=1, threads=2, operations=("Eq",))
    figures = {(each.name, each.unit): each.value for each in report.figures}
    for engine in (*engines.ENGINES, engines.UNCOMPRESSED):
        for unit in ("/s", "core-seconds", "busy cores"):
            assert figures[f"{engine}: transfers", unit] > 0
    for engine in engines.ENGINES:
        assert figures[f"{engine}: Eq, alone", "s"] > 0
        assert figures[f"{engine}: Eq, at once", "/s"] > 0
    for other in ("tfhe-rs", engines.UNCOMPRESSED):
        due = figures["wave: transfers", "/s"] / figures[f"{other}: transfers", "/s"]
        assert figures[f"wave: transfers, times {other}", ""] == pytest.approx(due, rel=0.2)
    assert figures["wave: Eq, alone, times tfhe-rs", ""] > 0
    assert figures["wave: Eq, at once, times tfhe-rs", ""] > 0
    assert 0 < figures["wave: transfers", "batch fill"] <= 1
    # Three numbers to decompress, and the look-ups of the whitepaper form.
    assert figures["wave: transfers", "bootstraps"] == 96 + 112
    assert ("tfhe-rs: transfers", "bootstraps") not in figures


def test_the_whole_cost_has_squashing_and_the_memory_of_a_worker_is_bounded() -> None:
    report = engines.measure(("wave",), transfers=1, threads=2, operations=(), is_whole=True)
    figures = {(each.name, each.unit): each for each in report.figures}
    transfer = figures["wave: transfers", "core-seconds"].value
    squash = figures["wave: squash and compress", "core-seconds"].value
    whole = figures["wave: transfer, 3 results squashed", "core-seconds"].value
    assert whole == pytest.approx(transfer + 3 * squash, abs=0.01)
    one, all_keys = (
        figures[f"wave: most resident memory, {keys}", "MiB"] for keys in ("one key set", "all keys")
    )
    assert one.is_met
    assert all_keys.is_met
    assert one.value < all_keys.value


def test_look_ups_of_both_are_measured_on_the_same_keys() -> None:
    figures = {each.name: each.value for each in lookup_keys.measure(repeats=1).figures}
    assert len(figures) == 1 + 2 * len(lookups.BATCHES) + 1
    assert all(value > 0 for value in figures.values())


def test_a_wrong_result_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = components.due
    monkeypatch.setattr(components, "due", lambda *of: expected(*of) ^ 1)
    with pytest.raises(WrongResult, match="Eq 0 gave"):
        engines.measure(("wave",), transfers=1, threads=1, operations=("Eq",))


@pytest.mark.parametrize(
    ("arguments", "unknown"),
    [(("clear",), "clear"), (("wave,",), ""), (("wave", "--operations", "Add,Pow"), "Pow")],
)
def test_what_is_not_measured_is_refused(arguments: tuple[str, ...], unknown: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{unknown}' is not measured here"):
        CliRunner().invoke(app, ["bench", "fhe", "--compare", *arguments], catch_exceptions=False)
