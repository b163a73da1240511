"""`keys import` as an operator runs it; the material is of the right type and holds nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from unit.adapters.test_key_import import serialised

from streams.adapters.key_import import CRS, KEYSET, PUBLIC_KEY
from streams.cli import app
from streams.domain.errors import ConfigurationError, KeyMaterialError
from streams.fhe.keyset import KeyStore


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """One file of each kind; the key directory is `keys`, beside them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CIPHERSTREAM_KEYS__DIRECTORY", str(tmp_path / "keys"))
    for kind in (KEYSET, CRS, PUBLIC_KEY):
        (tmp_path / kind.option).write_bytes(serialised(kind.type_names[0]))
    return {f"--{kind.option}": str(tmp_path / kind.option) for kind in (KEYSET, CRS, PUBLIC_KEY)}


def keys_import(*options: str) -> Any:
    return CliRunner().invoke(app, ["keys", "import", *options], catch_exceptions=False)


def given(files: dict[str, str]) -> list[str]:
    return [word for option, file in files.items() for word in (option, file)]


def test_all_three_are_taken_in_and_their_digests_told(files: dict[str, str], tmp_path: Path) -> None:
    result = keys_import(*given(files), "--json")
    assert result.exit_code == 0
    found = {one["kind"]: one for one in json.loads(result.stdout)}
    assert set(found) == {"key set", "reference string", "public key"}
    assert all(Path(one["file"]).is_relative_to(tmp_path / "keys/downloads") for one in found.values())
    again = keys_import(*given(files))
    assert again.stderr.count("was here already") == 3
    assert found["key set"]["digest"] in again.stderr


def test_a_public_key_is_put_beside_the_server_key_that_it_was_given_with(
    files: dict[str, str], tmp_path: Path
) -> None:
    Path(files["--keyset"]).write_bytes(serialised("high_level_api::CompressedServerKey"))
    result = keys_import(*given(files), "--json")
    digests = {one["kind"]: bytes.fromhex(one["digest"]) for one in json.loads(result.stdout)}
    beside = KeyStore(tmp_path / "keys").public_key(digests["key set"])
    assert beside.read_bytes() == Path(files["--public-key"]).read_bytes()


def test_a_whole_key_set_takes_no_public_key(files: dict[str, str], tmp_path: Path) -> None:
    assert keys_import(*given(files)).exit_code == 0
    assert not list((tmp_path / "keys").rglob("public_key"))


@pytest.mark.parametrize("prefix", ["", "0x"])
def test_a_digest_is_compared(files: dict[str, str], prefix: str) -> None:
    (one,) = json.loads(keys_import("--crs", files["--crs"], "--json").stdout)
    digest = one["digest"]
    assert keys_import("--crs", files["--crs"], "--crs-digest", prefix + digest).exit_code == 0
    with pytest.raises(KeyMaterialError, match="expected is"):
        keys_import("--crs", files["--crs"], "--crs-digest", prefix + "00" * 32)


def test_nothing_is_taken_in_when_one_file_is_a_secret(files: dict[str, str], tmp_path: Path) -> None:
    Path(files["--public-key"]).write_bytes(serialised("high_level_api::ClientKey"))
    with pytest.raises(KeyMaterialError, match="holds a secret key"):
        keys_import(*given(files))
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "nothing to import"),
        (("--keyset-digest", "00" * 32), "--keyset-digest goes with --keyset"),
        (("--public-key-digest", "00" * 32), "--public-key-digest goes with --public-key"),
        (("--crs", "crs", "--crs-digest", "zz"), "--crs-digest takes 64 hex digits"),
        (("--crs", "crs", "--crs-digest", "00" * 31), "--crs-digest takes 64 hex digits"),
        (("--crs", "crs", "--derive"), "--derive goes with --keyset"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    files: dict[str, str], tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        keys_import(*options)
    assert not (tmp_path / "keys").exists()


def test_a_key_set_that_cannot_be_derived_is_told(files: dict[str, str]) -> None:
    with pytest.raises(KeyMaterialError, match="deriving from"):
        keys_import("--keyset", files["--keyset"], "--derive")


def test_a_server_key_is_of_the_crate_s_engine_only() -> None:
    with pytest.raises(ConfigurationError, match="--server-key goes with --engine tfhe-rs"):
        CliRunner().invoke(
            app, ["keys", "generate", "--engine", "clear", "--server-key"], catch_exceptions=False
        )
