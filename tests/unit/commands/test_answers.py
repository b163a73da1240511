from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.commands import answers, doctor, machine
from streams.devnet import client
from streams.fhe import clear, engines, matrix
from streams.fhe.keyset import KeyFiles
from streams.fhe.suite import ClearValue


class ClearSamples:
    """Encrypts nothing, and knows no key."""

    def __init__(self, client_key: bytes, files: KeyFiles) -> None:
        assert client_key == b"secret"

    def encrypt(self, clear_value: ClearValue) -> bytes:
        return clear.encode(clear.STORED, clear_value)

    def decrypt(self, ct64: bytes) -> ClearValue:
        return ClearValue(ct64[4], clear.decode(clear.STORED, ct64, ct64[4]))


def test_the_matrix_is_continued_and_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / client.CLIENT_KEY).write_bytes(b"secret")
    made = client.Generated(engine="tfhe-rs", keyset_digest=b"", crs_digest=b"", secrets=str(tmp_path))
    monkeypatch.setattr(answers, "keys", lambda: (made, KeyFiles(tmp_path)))
    monkeypatch.setattr(doctor, "_warn_of_slow_instructions", lambda: None)
    monkeypatch.setattr(machine, "needs", lambda: iter(()))
    monkeypatch.setattr(client, "TfheSamples", ClearSamples)
    monkeypatch.setattr(engines, "open_compute", lambda *_: clear.ClearCompute())
    report, count = tmp_path / "report.jsonl", len(matrix.cells())
    report.write_text('{"cell": "Add_8", "equal": true, "cpu_s": 1.5}\n')
    result = CliRunner().invoke(app, ["doctor", "--matrix", str(report)])
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, f"{count}/{count}")
    assert len(report.read_text().splitlines()) == count
