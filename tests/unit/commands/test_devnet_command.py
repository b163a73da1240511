"""`devnet` as an operator gets it wrong."""

from pathlib import Path

from typer.testing import CliRunner

from streams.cli import app


def test_an_engine_that_does_not_exist_is_refused_before_anything_starts(tmp_path: Path) -> None:
    state = tmp_path / "devnet"
    result = CliRunner().invoke(app, ["devnet", "up", "--state", str(state), "--engine", "foo"])
    assert result.exit_code == 2
    assert "tfhe-rs" in result.stderr
    assert not state.exists()


def test_a_status_without_a_devnet_says_how_to_start_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["devnet", "status", "--state", str(tmp_path / "devnet")])
    assert result.exit_code == 1
    assert "start one: cipherstream devnet up" in result.output
