"""The buckets of the settings are made on the real object store, by the module that the compose file runs."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from streams.adapters.object_store.s3 import SECRET_VARIABLE
from streams.devnet import object_store
from streams.devnet.stack import Stack

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[3]


def make(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CIPHERSTREAM_")}
    kept.pop(SECRET_VARIABLE, None)
    return subprocess.run(
        [sys.executable, "-m", "streams.devnet.bucket"],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_everybody_reads_what_is_put_into_a_bucket_that_was_made(stack: Stack, tmp_path: Path) -> None:
    name = f"made-{secrets.token_hex(6)}"
    variables = {
        "CIPHERSTREAM_OBJECT_STORE__ENDPOINT": stack.s3_endpoint,
        "CIPHERSTREAM_OBJECT_STORE__ACCESS_KEY": stack.s3_credentials.access_key,
        "CIPHERSTREAM_OBJECT_STORE__BUCKET": name,
        "CIPHERSTREAM_OBJECT_STORE__BUCKET_WORK": f"{name}-work",
        SECRET_VARIABLE: stack.s3_credentials.secret_key,
    }
    for _ in range(2):  # it may be repeated
        result = make(tmp_path, **variables)
        assert result.returncode == 0, result.stderr
        assert f"{name}, {name}-work: everybody may read" in result.stderr
    file = tmp_path / "object"
    file.write_bytes(b"content")
    object_store.upload(stack.s3_endpoint, stack.s3_credentials, name, "object", file)
    read = httpx.get(f"{stack.s3_endpoint}/{name}/object", trust_env=False)
    assert (read.status_code, read.content) == (200, b"content")


@pytest.mark.parametrize(
    ("endpoint", "secret", "told"),
    [("", "x", "set object_store.endpoint"), ("http://127.0.0.1:1", "hidden", "cannot make the bucket")],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, endpoint: str, secret: str, told: str) -> None:
    result = make(
        tmp_path,
        CIPHERSTREAM_OBJECT_STORE__ENDPOINT=endpoint,
        CIPHERSTREAM_OBJECT_STORE__ACCESS_KEY="somebody",
        AWS_MAX_ATTEMPTS="1",
        **{SECRET_VARIABLE: secret},
    )
    (line,) = result.stderr.splitlines()
    assert result.returncode == 1
    assert told in line
    assert "hidden" not in line
