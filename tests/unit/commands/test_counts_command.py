"""`bench counts` as an operator runs it."""

import json

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.domain.errors import ConfigurationError


def printed(*options: str) -> list[list[str]]:
    result = CliRunner().invoke(app, ["bench", "counts", *options])
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.stdout.splitlines()]


def test_a_line_per_operation_with_what_tfhe_rs_takes_and_the_ratio() -> None:
    lines = printed("--bits", "8")
    assert lines[0][-2:] == ["TFHE-rs", "ratio"]
    assert ["Add", "8", "encrypted", "throughput", "4", "4", "3.234", "8", "0.50"] in lines
    assert ["Not", "8", "encrypted", "throughput", "0", "0", "0", "0"] in lines


def test_a_width_that_was_not_counted_stands_alone() -> None:
    lines = printed("--bits", "160")
    assert ["IfThenElse", "160", "encrypted", "throughput", "80", "1", "3.234"] in lines


def test_the_latency_form_stands_beside_the_shortest_chains() -> None:
    document = json.loads(CliRunner().invoke(app, ["bench", "counts", "--json"]).stdout)
    (swift, shallow) = [
        row for row in document if (row["operation"], row["operands"]) == ("Add", "encrypted")
    ]
    assert (swift["form"], shallow["form"]) == ("throughput", "latency")
    assert swift["cost"]["look_ups"] < swift["tfhe_rs"] <= shallow["tfhe_rs"]


def test_counts_for_machines() -> None:
    result = CliRunner().invoke(app, ["bench", "counts", "--bits", "160", "--json"])
    rows = {(row["operation"], row["operands"]): row for row in json.loads(result.stdout)}
    assert rows["IfThenElse", "encrypted"]["cost"]["look_ups"] == 80
    assert rows["IfThenElse", "encrypted"]["tfhe_rs"] is None


@pytest.mark.parametrize("bits", ["7", "-8"])
def test_a_width_that_no_operation_has_names_those_there_are(bits: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{bits} bits; there are 1, 8, 16, .*256"):
        CliRunner().invoke(app, ["bench", "counts", "--bits", bits], catch_exceptions=False)
