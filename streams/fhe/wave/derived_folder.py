"""Folders beside an activated key set with files made from it: once per machine, mapped by every worker."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from streams.domain.errors import KeyMaterialError, KeyMissing
from streams.fhe.keyset import drafted, locked, manifest_of, require_digest, seal


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder holds; written last."""

    release: str


def derived_folder(keyset: Path, name: str, release: str, write: Callable[[Path], None]) -> Path:
    """The folder of that name, written now where it is missing.

    Args:
        keyset: an activated key set's file.
        name: of the folder beside it.
        release: of the files' layout.
        write: makes the files of the key set in a folder.

    Raises:
        KeyMissing: the key set is not on this machine.
        KeyPartMissing: it lacks what the files are made from, as a `CompressedServerKey` may.
        KeyMaterialError: it is not of the release and the parameters that can be read, or is no longer what
            its folder's name says.
    """
    folder = keyset.with_name(name)
    if _is_ready(folder, release):
        return folder
    if not keyset.exists():
        raise KeyMissing(f"there is no {keyset.name} here")
    with locked(keyset.with_name(".lock")):
        if not _is_ready(folder, release):
            require_digest(keyset)
            with drafted(folder) as draft:
                write(draft)
                seal(draft, Manifest(release=release))
    return folder


def _is_ready(folder: Path, release: str) -> bool:
    manifest = manifest_of(folder, Manifest)
    if manifest is None:
        return False
    if manifest.release != release:
        raise KeyMaterialError(f"{folder} is of {manifest.release}, this is {release}")
    return True
