"""The life of a devnet by its commands: up, keys, down, up again with the same data, gone."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from streams.settings import load_settings

pytestmark = pytest.mark.stack


class Devnet:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / ".cipherstream"

    def run(self, *arguments: str, code: int = 0) -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CIPHERSTREAM_")}
        kept.pop("DATABASE_URL", None)
        result = subprocess.run(
            [sys.executable, "-m", "streams.cli", *arguments],
            cwd=self.folder,
            env=kept,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == code, result.stderr
        return result.stdout

    def running(self) -> dict[str, bool]:
        parts = json.loads(self.run("devnet", "status", "--json", code=1 if not self.up else 0))
        return {part["name"]: part["is_running"] for part in parts}

    @property
    def up(self) -> bool:
        return (self.state / "devnet.toml").exists()

    def processes(self) -> list[int]:
        """Processes whose command line names this devnet's folder."""
        found: list[int] = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if process.pid != os.getpid() and any(str(self.state) in word for word in words):
                found.append(process.pid)
        return found


@pytest.fixture
def devnet(tmp_path: Path) -> Iterator[Devnet]:
    made = Devnet(tmp_path)
    yield made
    made.run("devnet", "down", "--delete")


def test_a_devnet_lives_and_goes(devnet: Devnet) -> None:
    devnet.run("devnet", "up", "--engine", "clear")
    assert all(devnet.running().values())
    assert_secrets_are_apart(devnet)
    assert devnet.run("topics", "drift", "--json").strip() == "[]"
    devnet.run("migrate")
    devnet.run("migrate", "--sender-role", "cipherstream_sender")
    devnet.run("migrate", "--sender-role", "nobody_here", code=1)

    devnet.run("keys", "generate", "--engine", "clear")
    devnet.run("keys", "activate")
    keys = devnet.run("keys", "show", "--json")
    assert json.loads(keys)["key_id"].startswith("04")
    deployment = (devnet.state / "deployment.json").read_bytes()

    devnet.run("devnet", "up", "--engine", "clear")  # nothing is started or placed twice
    assert (devnet.state / "deployment.json").read_bytes() == deployment

    devnet.run("devnet", "down")
    assert not any(devnet.running().values())
    assert devnet.processes() == []
    assert not devnet.up

    devnet.run("devnet", "up", "--engine", "clear")
    assert (devnet.state / "deployment.json").read_bytes() == deployment
    devnet.run("keys", "activate")  # the chain kept the activation: nothing to do
    assert devnet.run("keys", "show", "--json") == keys

    devnet.run("devnet", "down", "--delete")
    assert not devnet.state.exists()
    assert devnet.processes() == []


def assert_secrets_are_apart(devnet: Devnet) -> None:
    """Two keys that differ, for their owner's eyes, in no settings file and in no log."""
    settings = load_settings(devnet.state / "devnet.toml")
    files = (settings.sender.private_key_file, settings.signer.private_key_file)
    secrets = [file.read_text() for file in files if file is not None]
    assert len(set(secrets)) == 2
    for file in files:
        assert file is not None
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    readable = [devnet.state / "devnet.toml", *(devnet.state / "logs").iterdir()]
    for path in readable:
        text = path.read_text(errors="replace")
        assert not any(secret.removeprefix("0x") in text for secret in secrets), path
