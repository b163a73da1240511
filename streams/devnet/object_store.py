"""The S3 server: versitygw, built once by `go install`.

Its buckets can be public by *policy*, as in the real service: who knows a handle reads its object without
credentials, and only a holder of the credentials writes. (s3proxy knows only an ACL per object, which every
upload would have to name and which real buckets refuse by default.)
"""

import asyncio
import json
import os
import secrets
from pathlib import Path
from typing import Any

import boto3
import httpx
import msgspec
from botocore.config import Config
from botocore.exceptions import ClientError

from streams.devnet import install as cache
from streams.devnet import ports
from streams.devnet.supervisor import Supervisor
from streams.fhe.keyset import cache_root

NAME = "object_store"
BUCKET = "ciphertexts"
REGION = "us-east-1"

_MODULE = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
_BINARY = "versitygw"
_FLAGS = "-s -w"
_ANSWER_S = 1.0
_boto3: Any = boto3  # has no types
_EXISTS = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


class Credentials(msgspec.Struct, frozen=True):
    """What may write; never printed."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"Credentials(access_key={self.access_key!r}, secret_key='***')"


def install() -> Path:
    """The server's binary.

    Raises: ConfigurationError where go is missing or the build failed.
    """
    return cache.once(_folder(), _build) / _BINARY


def is_installed() -> bool:
    """Whether `install` has nothing to do."""
    return _folder().is_dir()


def _folder() -> Path:
    return cache_root() / "versitygw" / cache.pin(_MODULE.encode(), _FLAGS.encode())


def endpoint(chosen: dict[str, int]) -> str:
    """The address for clients."""
    return f"http://{ports.LOOPBACK}:{chosen[NAME]}"


def credentials(state_dir: Path) -> Credentials:
    """This devnet's credentials, made on first use and kept in a file of mode 0600."""
    path = state_dir / "object-store.json"
    if not path.exists():
        made = Credentials("devnet", secrets.token_urlsafe(24))
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(made))
    return msgspec.json.decode(path.read_bytes(), type=Credentials)


async def start(supervisor: Supervisor, chosen: dict[str, int]) -> None:
    """Starts the server, waits until it answers and makes the public bucket."""
    binary = await asyncio.to_thread(install)
    state = supervisor.state_dir
    folder = state / "objects"
    folder.mkdir(exist_ok=True)
    keys = credentials(state)
    address = f"{ports.LOOPBACK}:{chosen[NAME]}"
    argv = [str(binary), "--port", address, "--quiet", "posix", *_metadata(state), str(folder)]
    env = {"ROOT_ACCESS_KEY_ID": keys.access_key, "ROOT_SECRET_ACCESS_KEY": keys.secret_key}
    supervisor.spawn(NAME, argv, env)
    await supervisor.until(NAME, lambda: answers(endpoint(chosen)))
    await asyncio.to_thread(publish, endpoint(chosen), keys, BUCKET)


async def answers(url: str) -> bool:
    """Whether an HTTP server listens there; without credentials it refuses, which is an answer."""
    async with httpx.AsyncClient(timeout=_ANSWER_S, trust_env=False) as client:
        await client.get(url)
    return True


def publish(url: str, keys: Credentials, bucket: str) -> None:
    """Makes a bucket whose objects everybody reads and only these credentials write."""
    client = _client(url, keys)
    try:
        client.create_bucket(Bucket=bucket)
    except ClientError as error:
        if _code(error) not in _EXISTS:
            raise
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(_public_read(bucket)))


def upload(url: str, keys: Credentials, bucket: str, name: str, file: Path) -> None:
    """Stores a file of any size under a name."""
    _client(url, keys).upload_file(str(file), bucket, name)


def _public_read(bucket: str) -> dict[str, Any]:
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _code(error: Any) -> str:
    return error.response["Error"]["Code"]


def _client(url: str, keys: Credentials) -> Any:
    return _boto3.client(
        "s3",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, proxies={}),
    )


def _metadata(state: Path) -> list[str]:
    """Keeps metadata in extended attributes, or in a folder where the file system has none."""
    probe = state / "objects"
    try:
        os.setxattr(probe, "user.cipherstream.probe", b"1")
    except OSError:
        sidecar = state / "object-metadata"
        sidecar.mkdir(exist_ok=True)
        return ["--sidecar", str(sidecar)]
    return []


def _build(draft: Path) -> None:
    go = cache.tool("go", "the build of the S3 server")
    env = {"CGO_ENABLED": "0", "GOBIN": str(draft)}
    argv = [go, "install", "-ldflags", _FLAGS, _MODULE]
    cache.execute(argv, "building the S3 server (about 2 minutes, once)", draft, env)
