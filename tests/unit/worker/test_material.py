"""The two stores of key material under one root."""

from pathlib import Path

import httpx
import pytest

from streams.adapters.key_store import CRS_FILE
from streams.adapters.key_store import KeyStore as Downloads
from streams.domain.control import CrsAnnouncement, KeySetAnnouncement
from streams.domain.errors import KeyMissing
from streams.fhe.keyset import CLEAR_MAGIC, CRS_DOMAIN, KEY_DOMAIN, KeyFiles, KeyStore, file_digest
from streams.services.worker.material import Material

KEYSET = CLEAR_MAGIC + bytes(32)
CRS = b"reference string"


class Bucket:
    """A public storage with what was put in it, and the paths that were asked for."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        body = self.objects.get(request.url.path)
        return httpx.Response(404) if body is None else httpx.Response(200, content=body)


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def material(bucket: Bucket, tmp_path: Path) -> Material:
    http = httpx.AsyncClient(transport=httpx.MockTransport(bucket))
    return Material(Downloads(tmp_path / "keys", http), KeyStore(tmp_path / "keys"))


def digest_of(folder: Path, domain: bytes, content: bytes) -> bytes:
    (folder / "content").write_bytes(content)
    return file_digest(domain, folder / "content")


def keyset(folder: Path) -> KeySetAnnouncement:
    digest = digest_of(folder, KEY_DOMAIN, KEYSET)
    return KeySetAnnouncement(
        key_id=b"\1" * 32, digest=digest, engine="clear", release="clear 1", urls=("http://store/bucket",)
    )


def crs(folder: Path) -> CrsAnnouncement:
    digest = digest_of(folder, CRS_DOMAIN, CRS)
    return CrsAnnouncement(crs_id=b"\2" * 32, digest=digest, urls=("http://store/bucket",))


async def test_a_key_set_is_downloaded_and_derived_once(
    material: Material, bucket: Bucket, tmp_path: Path
) -> None:
    announcement = keyset(tmp_path)
    path = f"/bucket/PUB/CompressedXofKeySet/{'01' * 32}"
    bucket.objects[path] = KEYSET
    folder = await material.ensure(announcement)
    assert KeyFiles(folder).compute.read_bytes() == KEYSET
    assert await material.ensure(announcement) == folder
    assert bucket.asked == [path]
    assert (folder.parent / "keyset").stat().st_nlink == 2  # one copy on disk


async def test_a_key_set_that_was_made_here_is_not_downloaded(
    material: Material, bucket: Bucket, tmp_path: Path
) -> None:
    announcement = keyset(tmp_path)
    KeyStore(tmp_path / "keys").add_keyset(tmp_path / "content")
    assert (await material.ensure(announcement)).is_dir()
    assert bucket.asked == []


async def test_a_reference_string_is_one_file(material: Material, bucket: Bucket, tmp_path: Path) -> None:
    announcement = crs(tmp_path)
    bucket.objects[f"/bucket/PUB/CRS/{'02' * 32}"] = CRS
    file = await material.ensure(announcement)
    assert file.name == CRS_FILE
    assert file.read_bytes() == CRS


async def test_a_reference_string_that_was_made_here_is_taken(material: Material, tmp_path: Path) -> None:
    announcement = crs(tmp_path)
    KeyStore(tmp_path / "keys").add_crs(tmp_path / "content")
    assert (await material.ensure(announcement)).read_bytes() == CRS


async def test_material_that_no_url_has_is_missing(material: Material, tmp_path: Path) -> None:
    with pytest.raises(KeyMissing):
        await material.ensure(keyset(tmp_path))
