"""`bench fhe --compare`: both engines compute the same, and the report says how they did."""

import pytest
from typer.testing import CliRunner

from streams.bench import engines
from streams.cli import app
from streams.domain.errors import ConfigurationError

pytestmark = pytest.mark.fhe


def test_both_engines_are_measured_on_the_same_work() -> None:
    report = engines.measure(("tfhe-rs", "wave"), transfers=1, threads=2, operations=("Eq",))
    figures = {(each.name, each.unit): each.value for each in report.figures}
    for engine in engines.ENGINES:
        for what in ("transfers", "Eq, alone"):
            assert figures[f"{engine}: {what}", "/s"] > 0
            assert figures[f"{engine}: {what}", "core-seconds"] > 0
            assert figures[f"{engine}: {what}", "busy cores"] > 0
    due = figures["wave: transfers", "/s"] / figures["tfhe-rs: transfers", "/s"]
    assert figures["wave: transfers, ratio", ""] == pytest.approx(due, rel=0.2)
    assert ("tfhe-rs: transfers, ratio", "") not in figures
    assert 0 < figures["wave: transfers", "batch fill"] <= 1
    # Three numbers to decompress, and the look-ups of the whitepaper form.
    assert figures["wave: transfers", "bootstraps"] == 96 + 112
    assert ("tfhe-rs: transfers", "bootstraps") not in figures


def test_a_wrong_result_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = engines.expected
    monkeypatch.setattr(engines, "expected", lambda *of: expected(*of) ^ 1)
    with pytest.raises(engines.WrongResult, match="Eq 0 gave"):
        engines.measure(("wave",), transfers=1, threads=1, operations=("Eq",))


@pytest.mark.parametrize(
    ("arguments", "unknown"),
    [(("clear",), "clear"), (("wave,",), ""), (("wave", "--operations", "Add,Pow"), "Pow")],
)
def test_what_is_not_measured_is_refused(arguments: tuple[str, ...], unknown: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{unknown}' is not measured here"):
        CliRunner().invoke(app, ["bench", "fhe", "--compare", *arguments], catch_exceptions=False)
