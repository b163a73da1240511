"""The two stores of key material under one root."""

import errno
import os
from pathlib import Path

import httpx
import msgspec
import pytest

from streams.adapters.key_store import CRS_FILE
from streams.adapters.key_store import KeyStore as Downloads
from streams.domain.control import CrsAnnouncement, KeySetAnnouncement
from streams.domain.errors import KeyMaterialError, KeyMissing, KeyPartMissing, KeyUnderived
from streams.fhe.key_objects import CLEAR_MAGIC
from streams.fhe.key_parts import Part
from streams.fhe.keyset import CRS_DOMAIN, KEY_DOMAIN, KeyFiles, KeyStore, file_digest
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


async def test_a_full_disk_is_no_fault_of_the_material(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    announcement = keyset(tmp_path)
    KeyStore(tmp_path / "keys").add_keyset(tmp_path / "content")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("streams.fhe.keyset.seal", full)
    with pytest.raises(KeyUnderived, match="No space left on device"):
        await material.ensure(announcement)
    monkeypatch.undo()
    assert (await material.ensure(announcement)).is_dir()


SERVER, PUBLIC = b"server key", b"public key"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeySetAnnouncement:
    """Announcement of a server key with its public key; deriving copies, and finds no key that squashes."""

    def derived(kind: str, source: Path, folder: Path) -> tuple[Part, ...]:
        (folder / ("public" if kind == "public" else "compute")).write_bytes(source.read_bytes())
        return () if kind == "public" else (Part.PUBLIC, Part.SQUASHING)

    monkeypatch.setattr("streams.fhe.keyset._derive_in_process", derived)
    monkeypatch.setattr("streams.fhe.keyset.engine_of", lambda _: "tfhe-rs")
    return KeySetAnnouncement(
        key_id=b"\1" * 32,
        digest=digest_of(tmp_path, KEY_DOMAIN, SERVER),
        engine="tfhe-rs",
        release="tfhe 1.6.3",
        urls=("http://store/bucket",),
        stored_as="ServerKey",
        public_digest=digest_of(tmp_path, KEY_DOMAIN, PUBLIC),
    )


def material_for(work_class: str, bucket: Bucket, root: Path) -> Material:
    http = httpx.AsyncClient(transport=httpx.MockTransport(bucket))
    return Material(Downloads(root, http), KeyStore(root), work_class)


async def test_a_server_key_comes_with_its_public_key(
    bucket: Bucket, tmp_path: Path, server: KeySetAnnouncement
) -> None:
    material = material_for("tfhe", bucket, tmp_path / "keys")
    bucket.objects[f"/bucket/PUB/ServerKey/{'01' * 32}"] = SERVER
    with pytest.raises(KeyMissing, match="PublicKey"):
        await material.ensure(server)
    bucket.objects[f"/bucket/PUB/PublicKey/{'01' * 32}"] = PUBLIC
    files = KeyFiles(await material.ensure(server))
    assert (files.compute.read_bytes(), files.public.read_bytes()) == (SERVER, PUBLIC)
    asked = len(bucket.asked)
    assert KeyFiles(await material.ensure(server)) == files
    assert len(bucket.asked) == asked


async def test_what_a_key_set_lacks_is_missed_by_the_work_that_needs_it(
    bucket: Bucket, tmp_path: Path, server: KeySetAnnouncement
) -> None:
    bucket.objects[f"/bucket/PUB/ServerKey/{'01' * 32}"] = SERVER
    alone = msgspec.structs.replace(server, public_digest=b"")
    for work_class, part in (("tfhe", "no public key"), ("sns", "no squashing key")):
        with pytest.raises(KeyPartMissing, match=part):
            await material_for(work_class, bucket, tmp_path / "keys").ensure(alone)


async def test_a_public_key_that_was_imported_ends_the_wait(
    bucket: Bucket, tmp_path: Path, server: KeySetAnnouncement
) -> None:
    bucket.objects[f"/bucket/PUB/ServerKey/{'01' * 32}"] = SERVER
    alone = msgspec.structs.replace(server, public_digest=b"")
    material = material_for("tfhe", bucket, tmp_path / "keys")
    with pytest.raises(KeyPartMissing):
        await material.ensure(alone)
    (tmp_path / "public").write_bytes(PUBLIC)
    KeyStore(tmp_path / "keys").add_public_key(server.digest, tmp_path / "public")
    assert KeyFiles(await material.ensure(alone)).public.read_bytes() == PUBLIC


async def test_another_public_key_than_the_activated_is_refused(
    bucket: Bucket, tmp_path: Path, server: KeySetAnnouncement
) -> None:
    bucket.objects[f"/bucket/PUB/ServerKey/{'01' * 32}"] = SERVER
    (tmp_path / "public").write_bytes(b"of another set")
    KeyStore(tmp_path / "keys").add_public_key(server.digest, tmp_path / "public")
    with pytest.raises(KeyMaterialError, match="announced is"):
        await material_for("tfhe", bucket, tmp_path / "keys").ensure(server)
