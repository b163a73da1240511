"""`keys import` on a real key set, and on the real secret beside it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.adapters import key_import
from streams.adapters.key_import import CRS, KEYSET, PUBLIC_KEY
from streams.cli import app
from streams.devnet import client
from streams.domain.errors import KeyMaterialError
from streams.fhe.keyset import KeyFiles, KeyStore

pytestmark = pytest.mark.fhe


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: KeyFiles) -> Path:
    """An empty key directory, but for what was derived of the set, which takes minutes."""
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "keys"
    monkeypatch.setenv("CIPHERSTREAM_KEYS__DIRECTORY", str(directory))
    derived = directory / files.folder.parent.name / "derived"
    derived.parent.mkdir(parents=True)
    derived.symlink_to(files.folder)
    return directory


def keys_import(*options: str) -> Any:
    return CliRunner().invoke(app, ["keys", "import", "--json", *options], catch_exceptions=False)


def test_a_key_set_its_reference_string_and_its_public_key_are_taken_in(
    directory: Path, generated: client.Generated, files: KeyFiles, crs: Path
) -> None:
    result = keys_import(
        *("--keyset", str(KeyStore().keyset(generated.keyset_digest))),
        *("--keyset-digest", generated.keyset_digest.hex()),
        *("--crs", str(crs), "--crs-digest", generated.crs_digest.hex()),
        *("--public-key", str(files.public), "--derive"),
    )
    assert result.exit_code == 0, result.output
    digests = {one["kind"]: one["digest"] for one in json.loads(result.stdout)}
    assert digests["key set"] == generated.keyset_digest.hex()
    assert digests["reference string"] == generated.crs_digest.hex()
    kept = {path.name for path in (directory / "downloads").rglob("*") if path.is_file()}
    assert kept == {KEYSET.file, CRS.file, PUBLIC_KEY.file}


def test_the_public_key_of_another_set_is_told(
    directory: Path, generated: client.Generated, files: KeyFiles, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign"
    client.native.generate_stranger(foreign)
    with pytest.raises(KeyMaterialError, match="not the public key of this key set"):
        keys_import(
            *("--keyset", str(KeyStore().keyset(generated.keyset_digest))),
            *("--public-key", str(foreign), "--derive"),
        )


@pytest.mark.parametrize("kind", [KEYSET, CRS, PUBLIC_KEY], ids=lambda kind: kind.option)
def test_the_client_key_is_refused(generated: client.Generated, kind: key_import.Kind) -> None:
    with pytest.raises(KeyMaterialError, match="holds a secret key"):
        key_import.check(kind, generated.client_key)


def test_what_was_derived_for_a_worker_is_no_key_set(files: KeyFiles) -> None:
    with pytest.raises(KeyMaterialError, match="is a high_level_api::ServerKey, not a key set"):
        key_import.check(KEYSET, files.compute)


def test_a_real_client_key_tells_its_engine(generated: client.Generated) -> None:
    assert client.engine_of(generated.client_key) == "tfhe-rs"
