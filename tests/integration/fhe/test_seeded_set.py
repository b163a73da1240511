"""`keys generate --seed`: the key set of the known answers, as the network's own code made it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.devnet import activation, client
from streams.devnet.state import State
from streams.domain.digest import keccak256
from streams.fhe.keyset import KeyFiles
from streams.fhe.known_answers import SEED

pytestmark = pytest.mark.fhe

# Recorded with the known answers: keccak256 of what is safely serialised.
CLIENT_KEY = "d351d6834159a731c098a114e5408f3ac0fdb9cd85018ce63595dbbb579f4285"
PUBLIC_KEY = "d14ef9067f6560017ff7dc6e4489faae6b5ed8c71054e0a59f828e136e9043bc"
# As the chain's activation states them; the key set is the one with keccak256 fc76de98...ddd9. The reference
# string is ours: the one of the answers' proof was made apart from any seed.
DIGESTS = {
    "keyset_digest": "215e67174f96ddde5cab1a7ffd64d40f5e72f377ab7388756919dcc4e9ac4cf6",
    "crs_digest": "17f406b86e983a9fa1014c69a09174326fbec1f6bb040da53cc988ca3c1a848e",
}


def keys(*options: str) -> Any:
    return CliRunner().invoke(app, ["keys", *options], catch_exceptions=False)


def test_the_command_makes_the_set_of_the_known_answers(
    generated: client.Generated, files: KeyFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = keys("generate", "--seed", SEED.hex())
    assert made.exit_code == 0, made.output
    shown = json.loads(keys("show", "--json").stdout)
    assert {name: shown[name] for name in DIGESTS} == DIGESTS
    assert generated.keyset_digest.hex() == DIGESTS["keyset_digest"]
    secret = activation.client_key_file(State(tmp_path / ".cipherstream"))
    assert keccak256(secret.read_bytes()).hex() == CLIENT_KEY
    assert keccak256(files.public.read_bytes()).hex() == PUBLIC_KEY
