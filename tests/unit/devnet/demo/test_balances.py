"""The process that decrypts knows the client key and public addresses, and nothing of the coprocessor."""

import json
import sys
from pathlib import Path

import pytest

from streams.devnet.contracts import Deployment
from streams.devnet.demo import balances
from streams.devnet.stack import Stack
from streams.devnet.state import State
from streams.domain.errors import Fatal

HANDLES = (b"\x01" * 32, b"\x02" * 32)
SECRETS = {
    "CIPHERSTREAM_CONFIG": "/somewhere/devnet.toml",
    "CIPHERSTREAM_POSTGRES__URL": "postgresql://me:secret@127.0.0.1:5433/cipherstream",
    "DATABASE_URL": "postgresql://me:secret@127.0.0.1:5433/cipherstream",
    "AWS_SECRET_ACCESS_KEY": "hush",
    "S3_BUCKET": "ciphertexts",
}
# Tells what it was given, and answers each handle, the last one first.
PROCESS = """
import json, os, sys
found = {"environment": dict(os.environ), "folder": os.getcwd(), "files": os.listdir()}
open(sys.argv[1], "w").write(json.dumps(found))
print(json.dumps([{"handle": text, "value": int(text[-1])} for text in reversed(sys.argv[2:])]))
"""


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "devnet")


async def test_it_has_no_settings_no_database_and_no_credentials(
    state: State, servers: Stack, deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told.json"
    monkeypatch.setattr(balances, "command", lambda *_: (sys.executable, "-c", PROCESS, str(told)))
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cipherstream.toml").write_text("[kafka]")
    assert await balances.decrypt(state, servers, deployment, HANDLES) == [1, 2]
    given = json.loads(told.read_text())
    assert not SECRETS.keys() & given["environment"].keys()
    assert not [name for name in given["environment"] if name.startswith(("CIPHERSTREAM_", "PG", "AWS_"))]
    assert given["files"] == []  # where a settings file would be looked for
    assert Path(given["folder"]) != tmp_path


def test_its_command_line_has_the_client_key_and_public_addresses_only(
    state: State, servers: Stack, deployment: Deployment
) -> None:
    line = balances.command(state, servers, deployment)
    options = dict(zip(line[6::2], line[7::2], strict=True))
    assert options == {
        "--client-key": str(state.client_keys / "client_key"),
        "--gateway": servers.gateway_http_url,
        "--ciphertext-commits": "0x" + "01" * 20,
        "--gateway-config": "0x" + "01" * 20,
        "--bucket": f"{servers.s3_endpoint}/{servers.s3_bucket}",
    }
    assert line[:6] == (sys.executable, "-m", "streams.cli", "devnet", "decrypt", "--json")
    secrets = (servers.postgres_url, servers.postgres_sender_url, servers.s3_credentials.secret_key)
    assert not [secret for secret in secrets if secret in " ".join(line)]


async def test_its_last_words_are_the_reason(
    state: State, servers: Stack, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = "import sys; sys.exit('no such digest')"
    monkeypatch.setattr(balances, "command", lambda *_: (sys.executable, "-c", dying))
    with pytest.raises(Fatal, match="devnet decrypt failed: no such digest"):
        await balances.decrypt(state, servers, deployment, HANDLES)
