"""Which object store a worker gets, and what a reader without credentials can do."""

from pathlib import Path

import httpx
import pytest

from streams.adapters.memory.clock import FakeClock
from streams.adapters.object_store.http import HttpReader
from streams.adapters.object_store.s3 import SECRET_VARIABLE, S3Blobs
from streams.domain.errors import BlobError, ConfigurationError
from streams.services.worker import bodies
from streams.services.worker.bodies import PublicBlobs
from streams.settings import ObjectStoreSettings

LOCAL = ObjectStoreSettings(endpoint="http://store.test:9000", bucket="b", bucket_work="w")
BEHIND_URL = ObjectStoreSettings(
    endpoint="http://inside.test", bucket="b", public_url="http://outside.test/b/"
)
REMOTE = ObjectStoreSettings(bucket="b", region="eu-1")


@pytest.fixture(autouse=True)
def without_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)


async def got(settings: ObjectStoreSettings, bucket: str) -> tuple[bytes, str]:
    """The body of an object and the URL by which it was read."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, content=b"body")

    async with HttpReader(FakeClock(), httpx.MockTransport(answer)) as reader:
        blob = await PublicBlobs(settings, reader).get(bucket, "body/k", size_bytes_max=9)
    assert blob is not None
    assert "authorization" not in asked[0].headers
    return blob.body, str(asked[0].url)


@pytest.mark.parametrize(
    ("settings", "bucket", "url"),
    [
        (LOCAL, "w", "http://store.test:9000/w/body/k"),
        (BEHIND_URL, "b", "http://outside.test/b/body/k"),
        (BEHIND_URL, "other", "http://inside.test/other/body/k"),
        (REMOTE, "b", "https://b.s3.eu-1.amazonaws.com/body/k"),
    ],
)
async def test_an_object_is_read_by_its_public_url(
    settings: ObjectStoreSettings, bucket: str, url: str
) -> None:
    assert await got(settings, bucket) == (b"body", url)


async def test_an_object_that_is_missing_is_none() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(404))
    async with HttpReader(FakeClock(), transport) as reader:
        assert await PublicBlobs(LOCAL, reader).get("w", "k", size_bytes_max=9) is None


async def test_a_reader_stores_nothing() -> None:
    async with HttpReader(FakeClock()) as reader:
        blobs = PublicBlobs(LOCAL, reader)
        with pytest.raises(BlobError, match="storing needs credentials"):
            await blobs.put("w", "k", b"")
        with pytest.raises(BlobError, match="metadata needs credentials"):
            await blobs.head("w", "k")


async def test_without_credentials_a_worker_reads_and_one_that_writes_does_not_start() -> None:
    async with bodies.opened(LOCAL, FakeClock(), writes=False) as blobs:
        assert isinstance(blobs, PublicBlobs)
    with pytest.raises(ConfigurationError, match=SECRET_VARIABLE):
        async with bodies.opened(LOCAL, FakeClock(), writes=True):
            pass


async def test_with_credentials_the_store_is_asked_with_them(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("key")
    settings = LOCAL.model_copy(update={"access_key": "a", "secret_key_file": tmp_path / "secret"})
    async with bodies.opened(settings, FakeClock(), writes=False) as blobs:
        assert isinstance(blobs, S3Blobs)
