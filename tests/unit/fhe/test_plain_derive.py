"""Where the crate's wheel is missing a server key is taken in all the same, and nothing that is none."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from unit.fhe.formats import server_keys
from unit.fhe.formats.server_keys import ALL_BUT_SQUASHING

import streams.fhe
from streams.domain.errors import ConfigurationError, KeyMaterialError, KeyPartMissing, KeyUnderived
from streams.domain.work import WorkClass
from streams.fhe import crate, derive, engines, key_parts, keyset
from streams.fhe.key_parts import Part
from streams.fhe.keyset import KeyFiles, KeyStore

SERVER_KEY = server_keys.server_key(ALL_BUT_SQUASHING)
PUBLIC_KEY = server_keys.public_key(bytes(range(256)) * 128)
LACKS = (Part.EXPANDED, Part.SQUASHING)


@pytest.fixture
def without_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, crate.WHEEL, None)
    monkeypatch.delitem(sys.modules, "streams.fhe.tfhe_rs", raising=False)
    monkeypatch.delattr(streams.fhe, "tfhe_rs", raising=False)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyStore:
    """Its derivations are calls, as another process would not lack the wheel."""

    def here(kind: str, source: Path, folder: Path) -> tuple[Part, ...]:
        return derive.derive(kind, source, folder)

    monkeypatch.setattr(keyset, "_derive_in_process", here)
    return KeyStore(tmp_path / "keys")


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def written(content: bytes) -> Path:
        path = tmp_path / "given"
        path.write_bytes(content)
        return path

    return written


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.usefixtures("without_wheel")
def test_a_server_key_is_taken_in_with_its_public_key(store: KeyStore, file: Callable[[bytes], Path]) -> None:
    digest = store.add_keyset(file(SERVER_KEY))
    assert store.derive(digest).lacks() == (Part.PUBLIC, *LACKS)
    store.add_public_key(digest, file(PUBLIC_KEY))
    files = store.derive(digest)
    assert (files.lacks(), files.public.read_bytes()) == (LACKS, PUBLIC_KEY)
    assert store.ready(digest) == files
    assert {path.name for path in files.folder.iterdir()} == {"public", "manifest.json"}
    key_parts.check(files.lacks(), WorkClass.TFHE)
    with pytest.raises(KeyPartMissing, match="expanded, as the wheel cipherstream_tfhe was missing"):
        key_parts.check(files.lacks(), WorkClass.ZKPROOF)


def test_once_the_wheel_is_there_the_crate_writes_its_files(
    store: KeyStore, file: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = store.add_keyset(file(SERVER_KEY))
    store.add_public_key(digest, file(PUBLIC_KEY))
    with monkeypatch.context() as missing:
        missing.setitem(sys.modules, crate.WHEEL, None)
        early = store.derive(digest)

    def expanded(kind: str, source: Path, folder: Path) -> tuple[Part, ...]:
        assert (kind, source) == ("tfhe-rs", store.keyset(digest))
        (folder / "compute").write_bytes(b"expanded")
        return Part.PUBLIC, Part.SQUASHING

    monkeypatch.setattr(keyset, "_derive_in_process", expanded)
    assert store.ready(digest) is None
    files = store.derive(digest)
    assert (files, files.lacks()) == (early, (Part.SQUASHING,))
    assert (files.compute.read_bytes(), files.public.read_bytes()) == (b"expanded", PUBLIC_KEY)
    assert store.ready(digest) == files
    assert {path.name for path in files.folder.parent.iterdir()} == {
        *("keyset", "public_key", "derived", ".lock")
    }


@pytest.mark.parametrize(
    "content",
    [
        SERVER_KEY[:-1],
        SERVER_KEY[: len(SERVER_KEY) // 2],
        SERVER_KEY + b"\0",
        server_keys.server_key(ALL_BUT_SQUASHING, mark=6),
        PUBLIC_KEY,
    ],
    ids=["cut at its end", "cut in the middle", "longer", "of another release", "another object"],
)
@pytest.mark.usefixtures("without_wheel")
def test_what_is_no_server_key_is_bad_material(
    content: bytes, file: Callable[[bytes], Path], tmp_path: Path
) -> None:
    assert derive.main(["tfhe-rs", str(file(content)), str(tmp_path)]) == keyset.BAD_MATERIAL


@pytest.mark.parametrize("content", [PUBLIC_KEY[:-1], PUBLIC_KEY + b"\0", SERVER_KEY])
@pytest.mark.usefixtures("without_wheel")
def test_what_is_no_public_key_is_bad_material(
    content: bytes, file: Callable[[bytes], Path], tmp_path: Path
) -> None:
    assert derive.main([keyset.PUBLIC, str(file(content)), str(tmp_path)]) == keyset.BAD_MATERIAL
    assert not (tmp_path / keyset.PUBLIC).exists()


@pytest.mark.usefixtures("without_wheel")
def test_a_key_set_of_one_object_waits_for_the_wheel(
    store: KeyStore, file: Callable[[bytes], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = file(server_keys.header("high_level_api::CompressedXofKeySet"))
    digest = store.add_keyset(whole)
    with pytest.raises(KeyUnderived, match="the wheel cipherstream_tfhe is missing"):
        store.derive(digest)
    assert derive.main(["tfhe-rs", str(whole), str(tmp_path)]) == keyset.NOT_NOW
    assert "the wheel cipherstream_tfhe is missing" in capsys.readouterr().err


@pytest.mark.usefixtures("without_wheel")
def test_a_body_that_changed_on_the_disk_is_seen_by_its_digest(
    store: KeyStore, file: Callable[[bytes], Path]
) -> None:
    digest = store.add_keyset(file(SERVER_KEY))
    flip_a_bit(store.keyset(digest))
    assert derive.derive("tfhe-rs", store.keyset(digest), store.root) == (Part.PUBLIC, *LACKS)
    with pytest.raises(KeyMaterialError, match="is not what its folder says"):
        store.derive(digest)


def test_a_body_that_changed_before_the_wheel_came_is_seen_by_its_digest(
    store: KeyStore, file: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = store.add_keyset(file(SERVER_KEY))
    with monkeypatch.context() as missing:
        missing.setitem(sys.modules, crate.WHEEL, None)
        early = store.derive(digest)
    flip_a_bit(store.keyset(digest))
    with pytest.raises(KeyMaterialError, match="is not what its folder says"):
        store.derive(digest)
    assert early.lacks() == (Part.PUBLIC, *LACKS)


@pytest.mark.usefixtures("without_wheel")
def test_what_needs_a_wheel_says_which(tmp_path: Path) -> None:
    files = KeyFiles(tmp_path)
    with pytest.raises(ConfigurationError, match="the engine tfhe-rs needs the wheel cipherstream_tfhe"):
        engines.open_compute("tfhe-rs", files)
    with pytest.raises(ConfigurationError, match="the engine tfhe-rs needs the wheel cipherstream_tfhe"):
        engines.open_squash("tfhe-rs", files)
    with pytest.raises(ConfigurationError, match="verifying proofs needs the wheel cipherstream_tfhe"):
        engines.open_proof("wave", files, tmp_path / "crs")
