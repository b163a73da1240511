"""The measurements as an operator runs them, small: that they count right, never how fast they are."""

import os
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from streams.bench.report import Report, Run
from streams.cli import app

pytestmark = pytest.mark.stack

SIZES = {
    "pipeline": ("--seconds", "1"),
    "graph": ("--blocks", "4"),
    "state": ("--rows", "100"),
    "sizes": ("--blocks", "2", "--operators", "2"),
}


def test_all_that_need_servers_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    words = [word for name, options in SIZES.items() for word in (name, *options)]
    result = CliRunner().invoke(app, ["bench", *words, "--output", str(path)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    reports = {report.bench: report for report in msgspec.json.decode(path.read_bytes(), type=Run).reports}
    assert list(reports) == list(SIZES)
    processors = "graph apart from the servers" if len(os.sched_getaffinity(0)) > 1 else "shared"
    expected = {"blocks": 3, "blocks/min": 200, "items": 27, "processors": processors}
    assert reports["pipeline"].setting == expected
    assert reports["graph"].setting == {"blocks": 4, "transfers per block": 9, "operations": 216}
    # Of a transfer: six results, and the two balances that it waits for.
    assert reports["state"].setting["handles"] == 16 * 9 * 8
    assert reports["sizes"].setting == {"operations": 108, "transfers": 18, "operators": 2}
    assert left_by(reports["sizes"]) >= {
        *("ciphertexts", "computations", "handles", "verify_proofs", "work_items", "work_members"),
        *("allowed_handles", "ciphertext_digest", "gateway_commits", "gateway_consensus", "transactions"),
        *("events.v1", "results.v1", "work.tfhe.v1", "work.zkproof.v1", "work.sns.v1", "work.sender.v1"),
        *("ciphertexts.v1", "tables", "store"),
    }
    assert memory_of(reports["graph"]) == {"graph"}
    assert memory_of(reports["pipeline"]) == {"graph", "tfhe-worker", "tfhe-worker's child"}
    assert aims(reports["pipeline"]) == {"event to dispatch, p50": 10, "event to dispatch, p99": 100}
    assert aims(reports["graph"]) == {"first fact to last committed row": 5_000}
    assert aims(reports["state"]) == {"rows, new and changed": 40_000}


def memory_of(report: Report) -> set[str]:
    found = {figure.name: figure.value for figure in report.figures if figure.unit == "MiB"}
    assert min(found.values()) > 0
    return {name.partition(":")[0] for name in found}


def left_by(report: Report) -> set[str]:
    """Where operations leave bytes; in the object store those of three amounts for six operations."""
    found = {figure.name: figure.value for figure in report.figures if figure.unit == "bytes/operation"}
    sizes = {figure.name: figure.value for figure in report.figures if figure.unit == "bytes"}
    assert found["object store"] == round((sizes["ct64 of UINT64"] + sizes["ct128 of UINT64"]) / 2)
    assert min(found.values()) > 0
    return {name.rpartition(" ")[2] for name in found}


def aims(report: Report) -> dict[str, float | None]:
    return {
        figure.name: figure.at_least or figure.at_most
        for figure in report.figures
        if figure.is_met is not None
    }
