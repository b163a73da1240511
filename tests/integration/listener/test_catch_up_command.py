"""The measure of catching up runs a listener over a whole chain and leaves nothing running."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli import app

pytestmark = pytest.mark.stack


def test_a_chain_is_caught_up_and_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    done = CliRunner().invoke(app, ["bench", "catch-up", "--blocks", "130", "--every", "2", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["blocks"], found["events"]) == (131, 65 * 16)
    assert found["blocks_per_second"] > 0
    assert list(tmp_path.iterdir()) == []
