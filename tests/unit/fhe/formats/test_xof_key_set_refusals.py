"""What is no key set of this release is refused with its place; real ones are read where keys are."""

from pathlib import Path

import pytest

from streams.domain.errors import KeyMaterialError, KeyMissing
from streams.fhe.formats import xof_key_set


def text(content: str) -> bytes:
    return len(content).to_bytes(8, "little") + content.encode()


HEADER = text("0.5") + bytes(4) + text("0.1") + text("high_level_api::CompressedXofKeySet")


@pytest.mark.parametrize("content", [b"CLRK" + bytes(32), bytes(100), b"\xff" * 100, HEADER[:-1]])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "keyset"
    path.write_bytes(content)
    with pytest.raises(KeyMaterialError, match="not of this release"):
        xof_key_set.read(path)


def test_another_kind_of_object_is_refused() -> None:
    content = text("0.5") + bytes(4) + text("0.1") + text("high_level_api::ClientKey") + bytes(100)
    with pytest.raises(KeyMaterialError, match="CompressedXofKeySet' at byte 26"):
        xof_key_set.parse(memoryview(content))


def test_an_older_version_is_refused() -> None:
    with pytest.raises(KeyMaterialError, match=f"version or variant 1 at byte {len(HEADER)}"):
        xof_key_set.parse(memoryview(HEADER + bytes(100)))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keyset").touch()
    with pytest.raises(KeyMaterialError, match="empty"):
        xof_key_set.read(tmp_path / "keyset")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing, match="no keyset here"):
        xof_key_set.read(tmp_path / "keyset")
