import hashlib
import os
import stat
from pathlib import Path

import pytest

from streams.devnet import client
from streams.domain.errors import ConfigurationError, KeyMaterialError, KeyMissing, KeyUnderived
from streams.fhe import derive, keyset
from streams.fhe.key_parts import Part
from streams.fhe.keyset import CRS_DOMAIN, KEY_DOMAIN, KeyStore

SEED = bytes(range(32))


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys")


@pytest.fixture
def generated(tmp_path: Path, store: KeyStore) -> client.Generated:
    return client.generate("clear", SEED, tmp_path / "secrets", store)


def test_the_digest_is_that_of_the_activation(tmp_path: Path) -> None:
    path = tmp_path / "keyset"
    path.write_bytes(b"material" * 1000)
    expected = hashlib.shake_256(b"PDAT_KEY" + b"material" * 1000).digest(32)
    assert keyset.file_digest(KEY_DOMAIN, path) == expected
    assert keyset.file_digest(CRS_DOMAIN, path) != expected


def test_a_missing_file_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing):
        keyset.file_digest(KEY_DOMAIN, tmp_path / "nothing")


def test_material_is_kept_by_digest(tmp_path: Path, store: KeyStore) -> None:
    source = tmp_path / "download"
    source.write_bytes(b"CLRK material")
    digest = store.add_keyset(source)
    assert store.keyset(digest).read_bytes() == b"CLRK material"
    assert store.add_keyset(source, digest) == digest
    assert [path.name for path in store.keyset(digest).parent.iterdir()] == ["keyset"]


def test_material_with_another_digest_is_not_taken_in(tmp_path: Path, store: KeyStore) -> None:
    source = tmp_path / "download"
    source.write_bytes(b"tampered")
    with pytest.raises(KeyMaterialError, match="announced"):
        store.add_crs(source, bytes(32))
    assert not store.root.exists()


def test_deriving_makes_the_files_by_purpose_once(store: KeyStore, generated: client.Generated) -> None:
    assert store.ready(generated.keyset_digest) is None
    files = store.derive(generated.keyset_digest)
    assert store.derive(generated.keyset_digest) == files == store.ready(generated.keyset_digest)
    assert all(path.is_file() for path in (files.public, files.compute, files.squash))


def test_deriving_leaves_no_draft(store: KeyStore, generated: client.Generated) -> None:
    files = store.derive(generated.keyset_digest)
    left = {path.name for path in files.folder.parent.iterdir()}
    assert left == {"keyset", "derived", ".lock"}


def test_a_key_set_that_is_not_here_is_waited_for(store: KeyStore) -> None:
    with pytest.raises(KeyMissing):
        store.derive(bytes(32))


def test_derived_files_of_another_release_are_refused(store: KeyStore, generated: client.Generated) -> None:
    files = store.derive(generated.keyset_digest)
    manifest = files.folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace("clear 1", "clear 0"))
    with pytest.raises(KeyMaterialError, match="clear 0"):
        store.ready(generated.keyset_digest)


def test_a_broken_manifest_is_refused(store: KeyStore, generated: client.Generated) -> None:
    files = store.derive(generated.keyset_digest)
    (files.folder / "manifest.json").write_text("{")
    with pytest.raises(KeyMaterialError, match="manifest"):
        store.ready(generated.keyset_digest)


def test_the_deriving_process_refuses_what_is_no_key_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"something")
    assert derive.main(["clear", str(source), str(tmp_path)]) == keyset.BAD_MATERIAL
    assert "not a clear key set" in capsys.readouterr().err


def test_a_deriving_process_that_meets_a_full_disk_does_not_blame_the_key_set(
    tmp_path: Path, store: KeyStore, generated: client.Generated, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / keyset.PUBLIC).symlink_to("/dev/full")
    source = store.keyset(generated.keyset_digest)
    assert derive.main(["clear", str(source), str(tmp_path)]) == keyset.NOT_NOW
    assert "No space left on device" in capsys.readouterr().err


def test_a_deriving_process_that_finds_no_memory_does_not_blame_the_key_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def exhausted(*_: object) -> tuple[Part, ...]:
        raise MemoryError

    monkeypatch.setattr(derive, "derive", exhausted)
    assert derive.main(["clear", "source", "folder"]) == keyset.NOT_NOW
    assert capsys.readouterr().err == "MemoryError\n"


@pytest.mark.parametrize(
    ("ending", "kind", "reason"),
    [
        ("kill -9 $$", KeyUnderived, "was ended by signal 9"),
        (f"echo No space left >&2; exit {keyset.NOT_NOW}", KeyUnderived, "No space left"),
        (f"echo cut short >&2; exit {keyset.BAD_MATERIAL}", KeyMaterialError, "cut short"),
        ("echo ImportError: no memory >&2; exit 1", KeyUnderived, "ImportError: no memory"),
        ("exit 3", KeyUnderived, "no message"),
    ],
)
def test_how_the_deriving_process_ended_says_whether_the_key_set_is_to_blame(
    tmp_path: Path,
    store: KeyStore,
    generated: client.Generated,
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
    kind: type[Exception],
    reason: str,
) -> None:
    script = tmp_path / "interpreter"
    script.write_text(f"#!/bin/sh\n{ending}\n")
    script.chmod(0o755)
    monkeypatch.setattr(keyset.sys, "executable", str(script))
    with pytest.raises(kind, match=reason):
        store.derive(generated.keyset_digest)
    monkeypatch.undo()
    assert store.derive(generated.keyset_digest).compute.is_file()


def test_a_deriving_process_that_fails_itself_does_not_blame_the_key_set(
    tmp_path: Path, store: KeyStore, generated: client.Generated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter that cannot import what it needs, as for lack of memory."""
    (tmp_path / "msgspec.py").write_text("raise ImportError('cannot map the library')")
    with monkeypatch.context() as short:
        short.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
        with pytest.raises(KeyUnderived, match="cannot map the library"):
            store.derive(generated.keyset_digest)
    assert store.derive(generated.keyset_digest).compute.is_file()


def test_a_seed_gives_the_same_keys(tmp_path: Path, store: KeyStore, generated: client.Generated) -> None:
    again = client.generate("clear", SEED, tmp_path / "elsewhere", store)
    other = client.generate("clear", SEED[::-1], tmp_path / "third", store)
    assert again.keyset_digest == generated.keyset_digest != other.keyset_digest
    assert again.crs_digest == generated.crs_digest != other.crs_digest


def test_generating_twice_keeps_the_first(
    tmp_path: Path, store: KeyStore, generated: client.Generated
) -> None:
    assert client.generate("clear", SEED[::-1], tmp_path / "secrets", store) == generated


def test_the_public_parts_do_not_hold_the_seed(store: KeyStore, generated: client.Generated) -> None:
    public = store.keyset(generated.keyset_digest).read_bytes() + store.crs(generated.crs_digest).read_bytes()
    assert SEED not in public
    assert SEED in generated.client_key.read_bytes()


def test_the_secret_is_its_owners(generated: client.Generated) -> None:
    assert stat.S_IMODE(generated.client_key.stat().st_mode) == 0o600
    assert stat.S_IMODE(generated.client_key.parent.stat().st_mode) == 0o700


def test_a_short_seed_is_refused(tmp_path: Path, store: KeyStore) -> None:
    with pytest.raises(ConfigurationError, match="32 bytes, not 5"):
        client.generate("clear", b"short", tmp_path, store)


def test_the_engine_is_read_from_the_material(store: KeyStore, generated: client.Generated) -> None:
    assert keyset.engine_of(store.keyset(generated.keyset_digest)) == "clear"


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert KeyStore().root == tmp_path / "cipherstream" / "keys"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert keyset.cache_root() == Path("/home/somebody/.cache/cipherstream")


SERVER_KEY = bytes(99)  # what stands for one: who derives is a stand-in too


class Derives:
    """In place of the process that derives: of a server key without a key that squashes."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, kind: str, source: Path, folder: Path) -> tuple[Part, ...]:
        self.asked.append(kind)
        name = "public" if kind == "public" else "compute"
        (folder / name).write_bytes(source.read_bytes())
        return () if kind == "public" else (Part.PUBLIC, Part.SQUASHING)


@pytest.fixture
def derives(monkeypatch: pytest.MonkeyPatch) -> Derives:
    derives = Derives()
    monkeypatch.setattr(keyset, "_derive_in_process", derives)
    monkeypatch.setattr(keyset, "engine_of", lambda _: "tfhe-rs")
    return derives


@pytest.fixture
def digest(store: KeyStore, tmp_path: Path) -> bytes:
    (tmp_path / "given").write_bytes(SERVER_KEY)
    return store.add_keyset(tmp_path / "given")


def test_what_a_server_key_lacks_is_remembered(store: KeyStore, derives: Derives, digest: bytes) -> None:
    files = store.derive(digest)
    assert files.lacks() == (Part.PUBLIC, Part.SQUASHING)
    assert (files.compute.exists(), files.public.exists(), files.squash.exists()) == (True, False, False)
    assert store.derive(digest) == files
    assert derives.asked == ["tfhe-rs"]


@pytest.mark.parametrize("is_first", [True, False])
def test_a_public_key_may_come_before_or_after(
    store: KeyStore, derives: Derives, digest: bytes, tmp_path: Path, *, is_first: bool
) -> None:
    (tmp_path / "public").write_bytes(b"public key")
    if not is_first:
        store.derive(digest)
    store.add_public_key(digest, tmp_path / "public", keyset.file_digest(KEY_DOMAIN, tmp_path / "public"))
    assert store.ready(digest) is None
    files = store.derive(digest)
    assert (files.lacks(), files.public.read_bytes()) == ((Part.SQUASHING,), b"public key")
    assert store.ready(digest) == files
    assert derives.asked == ["tfhe-rs", "public"]
    assert {path.name for path in files.folder.iterdir()} == {"compute", "public", "manifest.json"}


def test_a_server_key_has_one_public_key(store: KeyStore, digest: bytes, tmp_path: Path) -> None:
    first, other = tmp_path / "first", tmp_path / "other"
    first.write_bytes(b"public key")
    other.write_bytes(b"another")
    with pytest.raises(KeyMaterialError, match="announced is"):
        store.add_public_key(digest, first, bytes(32))
    assert store.add_public_key(digest, first) == store.add_public_key(digest, first)
    with pytest.raises(KeyMaterialError, match="has another public key"):
        store.add_public_key(digest, other)
    assert store.public_key(digest).read_bytes() == b"public key"


def test_a_made_server_key_has_its_public_key_beside_it(
    store: KeyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(seed: bytes, server_key: Path, public_key: Path) -> bytes:
        server_key.write_bytes(b"server key")
        public_key.write_bytes(b"public key")
        return seed

    monkeypatch.setattr(client.native, "generate_server_key", made)
    monkeypatch.setattr(client.native, "generate_crs", lambda _: b"reference string")
    found = client.generate("tfhe-rs", SEED, tmp_path / "secrets", store, has_server_key=True)
    beside = store.public_key(found.keyset_digest)
    assert beside.read_bytes() == b"public key"
    assert found.public_digest == keyset.file_digest(KEY_DOMAIN, beside)
    assert client.generate("tfhe-rs", SEED, tmp_path / "secrets", store, has_server_key=True) == found
    beside.unlink()
    client.generate("tfhe-rs", SEED, tmp_path / "secrets", store, has_server_key=True)
    assert beside.exists()
