"""`bench counts` as an operator runs it."""

import json

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.domain.errors import ConfigurationError
from streams.fhe.wave.measure import Bench, Measurement


def test_counts_prints_a_line_per_operation() -> None:
    result = CliRunner().invoke(app, ["bench", "counts", "--bits", "8"])
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["Add", "8", "encrypted", "throughput", "4", "4", "3.234"] in lines
    assert ["Not", "8", "encrypted", "throughput", "0", "0", "0"] in lines


def test_counts_for_machines() -> None:
    result = CliRunner().invoke(app, ["bench", "counts", "--bits", "160", "--json"])
    rows = {(row["operation"], row["operands"]): row["cost"] for row in json.loads(result.stdout)}
    assert rows["IfThenElse", "encrypted"]["look_ups"] == 80


@pytest.mark.parametrize("bits", ["7", "-8"])
def test_a_width_that_no_operation_has_names_those_there_are(bits: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{bits} bits; there are 1, 8, 16, .*256"):
        CliRunner().invoke(app, ["bench", "counts", "--bits", bits], catch_exceptions=False)


def test_fhe_measures_transfers() -> None:
    command = ["bench", "fhe", "--transfers", "1", "--threads", "2", "--json"]
    (found,) = json.loads(CliRunner().invoke(app, command).stdout)
    assert found["per_second"] == pytest.approx(1 / found["seconds"])
    assert (found["transfers"], found["look_ups"], found["batches"], found["batch_size"]) == (1, 112, 49, 64)


def test_fhe_prints_a_line_per_window(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(bench: Bench, transfers: int, clock: object, forms: object) -> Measurement:
        return Measurement(transfers, 2.0, 0.56 * transfers, 112 * transfers, 49, 32, 0.5)

    monkeypatch.setattr(Bench, "measure", measured)
    result = CliRunner().invoke(app, ["bench", "fhe"])
    assert result.exit_code == 0, result.output
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["transfers", "seconds", "transfers/s", "ratio", "look-ups", "batches", "fill", "CPU", "ms/look-up"],
        ["1", "2.00", "0.50", "1.00", "112", "49", "50%", "5.00"],
        ["8", "2.00", "4.00", "8.00", "896", "49", "50%", "5.00"],
        ["32", "2.00", "16.00", "32.00", "3584", "49", "50%", "5.00"],
    ]
