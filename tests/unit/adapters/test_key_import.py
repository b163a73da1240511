"""Only public material gets into the key directory, whole and under its digest."""

import hashlib
from pathlib import Path

import httpx
import pytest

from streams.adapters import key_import
from streams.adapters.key_import import CRS, KEYSET, PUBLIC_KEY, Kind, take_in
from streams.adapters.key_store import KeyStore, Material
from streams.domain.errors import KeyMaterialError

KINDS = (KEYSET, CRS, PUBLIC_KEY)
SECRET_TYPES = ("high_level_api::ClientKey", "high_level_api::CompactPrivateKey", "lwe::SecretKeyOwned")


def text(value: str) -> bytes:
    return len(value).to_bytes(8, "little") + value.encode()


def serialised(type_name: str, content: bytes = b"content") -> bytes:
    """What TFHE-rs writes before an object, and then the object."""
    return text("0.5") + bytes(4) + text("0.1") + text(type_name) + content


def write(folder: Path, content: bytes) -> Path:
    path = folder / "given"
    path.write_bytes(content)
    return path


def kept(directory: Path) -> list[str]:
    """Every file below the directory of keys, drafts too."""
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.option)
def test_material_lies_where_a_download_would(directory: Path, tmp_path: Path, kind: Kind) -> None:
    content = serialised(kind.type_names[0])
    domain = b"PDAT_CRS" if kind is CRS else b"PDAT_KEY"
    digest = hashlib.shake_256(domain + content).digest(32)
    found = take_in(directory, kind, write(tmp_path, content), digest)
    assert (found.digest, found.is_new) == (digest, True)
    assert kept(directory) == [f"downloads/{digest.hex()}/{kind.file}"]
    assert Path(found.file).read_bytes() == content


def test_a_server_key_is_a_key_set_too(directory: Path, tmp_path: Path) -> None:
    content = serialised("high_level_api::CompressedServerKey")
    found = take_in(directory, KEYSET, write(tmp_path, content))
    assert (found.type_name, Path(found.file).name) == ("high_level_api::CompressedServerKey", KEYSET.file)


async def test_a_service_finds_it_without_a_question(directory: Path, tmp_path: Path) -> None:
    found = take_in(directory, KEYSET, write(tmp_path, serialised(KEYSET.type_names[0])))

    def refuse(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"asked for {request.url}")

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as http:
        store = KeyStore(directory, http)
        folder = await store.fetch(Material.KEYSET, b"id", found.digest, ("http://storage/bucket",))
    assert folder / Material.KEYSET.file == Path(found.file)


def test_what_is_here_already_is_kept(directory: Path, tmp_path: Path) -> None:
    source = write(tmp_path, serialised(CRS.type_names[0]))
    first = take_in(directory, CRS, source)
    again = take_in(directory, CRS, source, first.digest)
    assert (again.file, again.is_new) == (first.file, False)
    assert len(kept(directory)) == 1


def test_a_kept_file_that_was_changed_is_told(directory: Path, tmp_path: Path) -> None:
    source = write(tmp_path, serialised(CRS.type_names[0]))
    first = take_in(directory, CRS, source)
    Path(first.file).write_bytes(b"rotten")
    with pytest.raises(KeyMaterialError, match="delete the folder"):
        take_in(directory, CRS, source)


def test_another_digest_is_refused(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyMaterialError, match=f"expected is {'00' * 32}"):
        take_in(directory, KEYSET, write(tmp_path, serialised(KEYSET.type_names[0])), bytes(32))
    assert kept(directory) == []


@pytest.mark.parametrize("name", SECRET_TYPES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.option)
def test_a_secret_key_is_refused_without_a_word_of_it(
    directory: Path, tmp_path: Path, kind: Kind, name: str
) -> None:
    with pytest.raises(KeyMaterialError, match="holds a secret key") as refused:
        take_in(directory, kind, write(tmp_path, serialised(name, b"very secret")))
    assert "very secret" not in str(refused.value)
    assert not directory.exists()


@pytest.mark.parametrize("before", [0, (1 << 20) - 90, 3 << 20])
def test_a_secret_key_behind_a_public_one_is_found(directory: Path, tmp_path: Path, before: int) -> None:
    hidden = bytes(before) + serialised("high_level_api::ClientKey")
    for shift in range(0, 60, 7):  # the name lies on either side of the border between two chunks
        source = write(tmp_path, serialised(KEYSET.type_names[0], bytes(shift) + hidden))
        with pytest.raises(KeyMaterialError, match="holds a secret key"):
            take_in(directory, KEYSET, source)
    assert kept(directory) == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.option)
def test_another_type_is_named(directory: Path, tmp_path: Path, kind: Kind) -> None:
    source = write(tmp_path, serialised("high_level_api::ServerKey"))
    with pytest.raises(KeyMaterialError, match=rf"is a high_level_api::ServerKey, not a {kind.name}"):
        take_in(directory, kind, source)
    assert not directory.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x03",
        bytes(64),
        b"-----BEGIN KEY-----" * 9,
        text("0.5"),
        text("0.5") + bytes(4) + text("0.1"),
        text("0.5") + bytes(4) + text("0.1") + text(""),
        serialised("a\nb"),
        serialised("x" * 129),
        serialised(KEYSET.type_names[0])[:40],
    ],
)
def test_what_is_no_safe_serialisation_is_refused(directory: Path, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(KeyMaterialError, match="not a safe-serialised key set"):
        take_in(directory, KEYSET, write(tmp_path, content))
    assert not directory.exists()


def test_the_devnet_s_clear_keys_are_refused(directory: Path, tmp_path: Path) -> None:
    """A clear client key looks like a clear key set, so neither is taken."""
    with pytest.raises(KeyMaterialError, match="engine clear"):
        take_in(directory, KEYSET, write(tmp_path, b"CLRK" + bytes(32)))


def test_a_file_that_is_not_there_is_told(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyMaterialError, match=r"cannot read .*gone"):
        take_in(directory, KEYSET, tmp_path / "gone")


def test_a_file_larger_than_its_kind_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path, serialised(PUBLIC_KEY.type_names[0]))
    with source.open("r+b") as file:
        file.truncate(PUBLIC_KEY.material.size_bytes_max + 1)  # a hole: it takes no room
    with pytest.raises(KeyMaterialError, match="larger than"):
        key_import.check(PUBLIC_KEY, source)
