"""The real object store keeps the contract; readers without credentials read and cannot write."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from port_contracts.blobs import BlobsContract

from streams.adapters.breaker import BreakerState
from streams.adapters.object_store.http import HttpReader
from streams.adapters.object_store.s3 import S3Blobs
from streams.adapters.system import SystemClock
from streams.devnet import object_store
from streams.devnet.stack import Stack
from streams.domain.errors import BlobError, ConfigurationError
from streams.settings import ObjectStoreSettings

pytestmark = pytest.mark.stack


@pytest.fixture
def bucket(stack: Stack) -> str:
    name = f"test-{secrets.token_hex(6)}"
    object_store.publish(stack.s3_endpoint, stack.s3_credentials, name)
    return name


@pytest.fixture
def settings(stack: Stack, tmp_path: Path) -> ObjectStoreSettings:
    secret = tmp_path / "secret"
    secret.write_text(stack.s3_credentials.secret_key + "\n")
    return ObjectStoreSettings(
        endpoint=stack.s3_endpoint,
        region=stack.s3_region,
        access_key=stack.s3_credentials.access_key,
        secret_key_file=secret,
    )


@pytest_asyncio.fixture
async def blobs(settings: ObjectStoreSettings) -> AsyncIterator[S3Blobs]:
    blobs = S3Blobs(settings, SystemClock())
    yield blobs
    await blobs.close()


class TestContract(BlobsContract):
    """The sentences of every object store."""


async def test_everybody_reads(blobs: S3Blobs, bucket: str, stack: Stack) -> None:
    await blobs.put(bucket, "public", b"body")
    async with HttpReader(SystemClock()) as reader:
        root = f"{stack.s3_endpoint}/{bucket}"
        assert await reader.get(f"{root}/public", size_bytes_max=4) == b"body"
        with pytest.raises(BlobError, match="more than 3"):
            await reader.get(f"{root}/public", size_bytes_max=3)


async def test_nobody_writes_without_credentials(blobs: S3Blobs, bucket: str, stack: Stack) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.put(f"{stack.s3_endpoint}/{bucket}/intruder", content=b"body")
    assert answer.status_code == 403
    assert await blobs.head(bucket, "intruder") is None


async def test_wrong_secret_is_one_refusal(
    settings: ObjectStoreSettings, bucket: str, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not the secret")
    blobs = S3Blobs(settings.model_copy(update={"secret_key_file": wrong}), SystemClock())
    with pytest.raises(BlobError) as caught:
        await blobs.put(bucket, "k", b"v")
    assert "not the secret" not in str(caught.value)
    await blobs.close()


async def test_missing_bucket_is_an_error(blobs: S3Blobs) -> None:
    with pytest.raises(BlobError, match="no-such-bucket"):
        await blobs.put("no-such-bucket", "k", b"v")
    with pytest.raises(BlobError, match="no-such-bucket"):
        await blobs.check("no-such-bucket")


async def test_dead_server_is_one_error(settings: ObjectStoreSettings) -> None:
    dead = settings.model_copy(update={"endpoint": "http://127.0.0.1:9"})  # discard: nobody listens
    blobs = S3Blobs(dead, SystemClock())
    with pytest.raises(BlobError):
        await blobs.head("b", "k")
    assert blobs.breaker.state is BreakerState.CLOSED  # one request, however often it was repeated
    await blobs.close()


def test_missing_secret_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="AWS_SECRET_ACCESS_KEY"):
        S3Blobs(ObjectStoreSettings(), SystemClock())
