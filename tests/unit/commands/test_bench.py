"""`bench counts` as an operator runs it."""

import json

from typer.testing import CliRunner

from streams.cli import app


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
