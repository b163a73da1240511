"""The measure of catching up runs a listener over a whole chain and leaves nothing running."""

import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from streams.bench.report import Run
from streams.cli import app

pytestmark = pytest.mark.stack


def test_a_chain_is_caught_up_and_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept, used = tmp_path / "kept.json", tmp_path / "used"
    used.mkdir()
    monkeypatch.setenv("TMPDIR", str(used))
    monkeypatch.setattr("tempfile.tempdir", None)
    words = ["catch-up", "--blocks", "130", "--every", "2", "--json", "--output", str(kept)]
    done = CliRunner().invoke(app, ["bench", *words])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["blocks"], found["events"]) == (131, 65 * 16)
    assert found["blocks_per_second"] > 0
    assert list(used.iterdir()) == []
    (report,) = msgspec.json.decode(kept.read_bytes(), type=Run).reports
    assert report.setting == {"blocks": 131, "one in so many has events": 2, "events": 65 * 16}
    rate = {figure.name: figure for figure in report.figures}["told and acknowledged"]
    assert (rate.value, rate.at_least) == (round(found["blocks_per_second"]), 200)
