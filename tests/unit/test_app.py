"""`streams.app` as Faust's command line imports it."""

import runpy
from pathlib import Path

import pytest

REASON = "Input should be a valid dictionary or instance of SenderSettings"


def test_wrong_settings_end_the_import_with_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text("sender = 1")
    monkeypatch.setenv("CIPHERSTREAM_CONFIG", str(file))
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("streams.app")
    assert caught.value.code == f"cipherstream: {file}: sender: {REASON}"
