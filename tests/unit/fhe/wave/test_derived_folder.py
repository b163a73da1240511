"""Files that `wave` makes of a key set are made of the one that was activated, and made once."""

from pathlib import Path

import pytest

from streams.domain.errors import KeyMaterialError, KeyMissing
from streams.fhe.keyset import KeyStore
from streams.fhe.wave.derived_folder import derived_folder

CONTENT = b"CLRK material"


@pytest.fixture
def keyset(tmp_path: Path) -> Path:
    source = tmp_path / "download"
    source.write_bytes(CONTENT)
    store = KeyStore(tmp_path / "keys")
    return store.keyset(store.add_keyset(source))


def derived(keyset: Path) -> Path:
    return derived_folder(keyset, "wave", "wave 1", lambda folder: (folder / "copy").hardlink_to(keyset))


def test_a_key_set_that_changed_on_the_disk_is_made_nothing_of(keyset: Path) -> None:
    keyset.write_bytes(CONTENT[:-1] + b"m")
    with pytest.raises(KeyMaterialError, match="is not what its folder says"):
        derived(keyset)
    assert {path.name for path in keyset.parent.iterdir()} == {"keyset", ".lock"}


def test_what_was_made_before_is_used_without_the_key_set(keyset: Path) -> None:
    made = derived(keyset)
    keyset.unlink()
    assert derived(keyset) == made
    assert (made / "copy").read_bytes() == CONTENT


def test_a_folder_that_has_no_digest_for_a_name_says_nothing_of_its_key_set(tmp_path: Path) -> None:
    keyset = tmp_path / "keyset"
    with pytest.raises(KeyMissing):
        derived(keyset)
    keyset.write_bytes(CONTENT)
    assert (derived(keyset) / "copy").read_bytes() == CONTENT
