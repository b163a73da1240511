"""The command as its user meets it: a process, an exit code, one line when something is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import streams

HANDLE = "0x" + "ab" * 21 + "ff" + "00" * 6 + "3039" + "0500"


def cipherstream(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CIPHERSTREAM_")}
    kept.pop("DATABASE_URL", None)
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments],
        cwd=cwd,
        env={**kept, "COLUMNS": "200", "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_tells_its_version(tmp_path: Path) -> None:
    result = cipherstream("version", cwd=tmp_path)
    assert (result.returncode, result.stdout.strip()) == (0, streams.__version__)


def test_its_help_lists_what_exists(tmp_path: Path) -> None:
    shown = cipherstream("--help", cwd=tmp_path).stdout
    for command in ("demo", "up", "run", "devnet", "migrate", "topics", "keys", "handle", "lag", "doctor"):
        assert f" {command} " in shown
    for later in ("replay", "simulate"):
        assert f" {later} " not in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "nobody"), "there is no service nobody"),
        (("demo", "--until", "never"), "there is no stage never"),
        (("demo", "--transfers", "0"), "--transfers takes 1 to"),
        (("demo", "--kill", "kafka"), "--kill takes graph"),
        (("demo", "--fault", "lying"), "--fault needs --coprocessors 3 or more"),
        (("demo", "--coprocessors", "3", "--fault", "lazy"), "--fault takes lying, misjudging, slow, down"),
        (("demo", "--coprocessors", "3", "--until", "keys"), "--until and --kill are for one"),
        (("keys", "show"), "keys generate"),
        (("keys", "generate", "--seed", "xyz"), "64 hex digits"),
        (("devnet", "decrypt", HANDLE), "no devnet runs in .cipherstream"),
        (("handle", "0x12"), "a handle has 32 bytes, not 1"),
        (("handle", "0xnothex"), "not a handle: '0xnothex'"),
        (("handle", HANDLE[:-2] + "07"), "has version 7"),
        (("--config", "gone.toml", "migrate"), "no settings file"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    result = cipherstream(*arguments, cwd=tmp_path)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("cipherstream: ")
    assert told in line
    assert "Traceback" not in result.stderr


def test_a_wrong_setting_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "cipherstream.toml").write_text("[kafka]\nbootstrp = 'x'")
    result = cipherstream("run", "graph", cwd=tmp_path)
    assert result.returncode == 1
    assert "kafka.bootstrp" in result.stderr
    assert "Traceback" not in result.stderr


def test_keys_of_the_clear_engine_are_made_and_shown(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    made = cipherstream("keys", "generate", "--engine", "clear", cwd=tmp_path, XDG_CACHE_HOME=cache)
    assert made.returncode == 0, made.stderr
    shown = cipherstream("keys", "show", "--json", cwd=tmp_path, XDG_CACHE_HOME=cache)
    keys = json.loads(shown.stdout)
    assert keys["engine"] == "clear"
    assert keys["keyset_digest"] in made.stderr
    assert keys["key_id"] == ""  # not activated
    secret = tmp_path / ".cipherstream/secrets/keys/client_key"
    assert secret.stat().st_mode & 0o077 == 0
    assert secret.read_bytes().hex() not in shown.stdout + made.stderr + made.stdout


def test_the_same_seed_gives_the_same_keys(tmp_path: Path) -> None:
    shown: list[str] = []
    for place in ("a", "b"):
        folder = tmp_path / place
        folder.mkdir()
        arguments = ("keys", "generate", "--engine", "clear", "--seed", "07" * 32)
        assert cipherstream(*arguments, cwd=folder, XDG_CACHE_HOME=str(folder)).returncode == 0
        shown.append(cipherstream("keys", "show", "--json", cwd=folder).stdout)
    assert shown[0] == shown[1]


def test_without_a_devnet_there_is_nothing_to_show(tmp_path: Path) -> None:
    result = cipherstream("devnet", "status", "--json", cwd=tmp_path)
    assert (result.returncode, json.loads(result.stdout)) == (1, [])
