"""A file of key material is known by the name that is written before it."""

from pathlib import Path

import pytest

from streams.domain.errors import KeyMaterialError, KeyMissing
from streams.fhe.key_objects import CLEAR_MAGIC, KeyObject, recognised


def serialised(type_name: str) -> bytes:
    texts = [len(text).to_bytes(8, "little") + text.encode() for text in ("0.5", "0.1", type_name)]
    return texts[0] + bytes(4) + texts[1] + texts[2] + bytes(99)


def written(folder: Path, content: bytes) -> Path:
    file = folder / "keyset"
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("kind", [KeyObject.XOF_KEY_SET, KeyObject.SERVER_KEY])
def test_either_form_of_a_key_set_is_known(tmp_path: Path, kind: KeyObject) -> None:
    assert recognised(written(tmp_path, serialised(kind))) is kind


def test_a_clear_key_set_is_known(tmp_path: Path) -> None:
    assert recognised(written(tmp_path, CLEAR_MAGIC + bytes(32))) is KeyObject.CLEAR


@pytest.mark.parametrize(
    "name",
    ["high_level_api::ServerKey", "high_level_api::CompactPublicKey", "high_level_api::XofKeySet", "clear"],
)
def test_another_object_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeyMaterialError, match=f"is a {name}; of a key set"):
        recognised(written(tmp_path, serialised(name)))


@pytest.mark.parametrize("content", [b"", b"\x03", bytes(99), b"<Error>no such key</Error>" * 9])
def test_what_is_no_object_is_told(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(KeyMaterialError, match="nothing that TFHE-rs"):
        recognised(written(tmp_path, content))


def test_a_file_that_is_not_here_is_missing(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing, match="no keyset here"):
        recognised(tmp_path / "keyset")
