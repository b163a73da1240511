"""`bench counts` as an operator runs it."""

import json

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.domain.errors import ConfigurationError


def test_counts_prints_a_line_per_operation() -> None:
    result = CliRunner().invoke(app, ["bench", "counts", "--bits", "8"])
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["Add", "8", "encrypted", "throughput", "4", "4", "3"] in lines
    assert ["Not", "8", "encrypted", "throughput", "0", "0", "0"] in lines


def test_counts_for_machines() -> None:
    result = CliRunner().invoke(app, ["bench", "counts", "--bits", "160", "--json"])
    rows = {(row["operation"], row["operands"]): row["cost"] for row in json.loads(result.stdout)}
    assert rows["IfThenElse", "encrypted"]["look_ups"] == 80


@pytest.mark.parametrize("bits", ["7", "-8"])
def test_a_width_that_no_operation_has_names_those_there_are(bits: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{bits} bits; there are 1, 8, 16, .*256"):
        CliRunner().invoke(app, ["bench", "counts", "--bits", bits], catch_exceptions=False)
