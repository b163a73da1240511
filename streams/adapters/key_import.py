"""Key material that was made elsewhere, taken into the folder where services look before they download.

`<directory>/downloads/<digest>/` is filled as a download fills it: copied, digested and looked through in one
pass into a draft, which gets its name by one rename. What a service uses is still decided by the chain: a
file whose digest was never activated lies there unused. Secret keys are refused, wherever in a file they are.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from streams.adapters.key_store import Material
from streams.domain.errors import KeyMaterialError
from streams.fhe.keyset import CLEAR_MAGIC, KEY_DOMAIN

PUBLIC_KEY_FILE: Final = "public_key.bin"

_CHUNK_BYTES: Final = 1 << 20
_DIGEST_BYTES: Final = 32
_MIB: Final = 1 << 20
# What TFHE-rs names its types that decrypt; a name stands before each object that it writes.
_SECRET: Final = re.compile(rb"ClientKey|SecretKey|PrivateKey")
_SECRET_BYTES_MAX: Final = 10  # of such a name
_NAME: Final = re.compile(rb"[\w:<>, ]{1,128}")


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What may be taken in."""

    name: str
    option: str  # of the command line
    type_name: str  # of the safe serialisation
    file: str
    domain: bytes
    size_bytes_max: int


KEYSET: Final = Kind(
    name="key set",
    option="keyset",
    type_name="high_level_api::CompressedXofKeySet",
    file=Material.KEYSET.file,
    domain=Material.KEYSET.domain,
    size_bytes_max=Material.KEYSET.size_bytes_max,
)
CRS: Final = Kind(
    name="reference string",
    option="crs",
    type_name="zk::CompactPkeCrs",
    file=Material.CRS.file,
    domain=Material.CRS.domain,
    size_bytes_max=Material.CRS.size_bytes_max,
)
PUBLIC_KEY: Final = Kind(
    name="public key",
    option="public-key",
    type_name="high_level_api::CompactPublicKey",
    file=PUBLIC_KEY_FILE,
    domain=KEY_DOMAIN,
    size_bytes_max=16 * _MIB,
)


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is in the key directory now."""

    kind: str
    digest: bytes
    file: str
    is_new: bool


def check(kind: Kind, source: Path) -> None:
    """Look at the beginning of a file; raises KeyMaterialError unless it is what it should be."""
    try:
        with source.open("rb") as file:
            head, size_bytes = file.read(4096), os.fstat(file.fileno()).st_size
    except OSError as error:
        raise KeyMaterialError(f"cannot read {source}: {error.strerror}") from error
    if head.startswith(CLEAR_MAGIC):
        raise KeyMaterialError(f"{source} is of the engine clear, whose keys `keys generate` makes")
    found = _type_name(head)
    if found is None:
        raise KeyMaterialError(f"{source} is not a safe-serialised {kind.name}")
    if _SECRET.search(found.encode()):
        raise _secret(source)
    if found != kind.type_name:
        raise KeyMaterialError(f"{source} is a {found}, not a {kind.name} ({kind.type_name})")
    if size_bytes > kind.size_bytes_max:
        raise KeyMaterialError(f"{source} is larger than {kind.size_bytes_max} bytes")


def take_in(directory: Path, kind: Kind, source: Path, expected: bytes | None = None) -> Imported:
    """Copy a file to where services look for its digest; nothing is left behind where this raises.

    Raises: KeyMaterialError for another type, another digest than expected, or a secret part.
    """
    check(kind, source)
    downloads = directory / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".import.", dir=downloads))
    try:
        digest = _copy(kind, source, draft / kind.file)
        if expected is not None and digest != expected:
            raise KeyMaterialError(f"{source} has digest {digest.hex()}, expected is {expected.hex()}")
        draft.chmod(0o755)
        target = downloads / digest.hex()
        is_new = _publish(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    if not is_new:
        _check_kept(kind, target / kind.file, digest)
    return Imported(kind=kind.name, digest=digest, file=str(target / kind.file), is_new=is_new)


def _publish(draft: Path, target: Path) -> bool:
    """Give the draft its name; False where the material is there already."""
    try:
        draft.rename(target)
    except OSError:
        if target.is_dir():
            return False
        raise
    return True


def _check_kept(kind: Kind, file: Path, digest: bytes) -> None:
    if not file.is_file() or _digested(kind, file, lambda _: None) != digest:
        raise KeyMaterialError(f"{file} is not what its folder says; delete the folder and import again")


def _copy(kind: Kind, source: Path, target: Path) -> bytes:
    """The digest of exactly the bytes that were written."""
    with target.open("wb") as out:
        digest = _digested(kind, source, out.write)
        out.flush()
        os.fsync(out.fileno())
    target.chmod(0o644)
    return digest


def _digested(kind: Kind, source: Path, write: Callable[[bytes], object]) -> bytes:
    """Digest of a file that is written on while it is read; raises KeyMaterialError at a secret part."""
    shake, tail = hashlib.shake_256(kind.domain), b""
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            if _SECRET.search(tail + chunk):
                raise _secret(source)
            tail = chunk[-_SECRET_BYTES_MAX:]
            shake.update(chunk)
            write(chunk)
    return shake.digest(_DIGEST_BYTES)


def _secret(source: Path) -> KeyMaterialError:
    return KeyMaterialError(f"{source} holds a secret key, which belongs on no machine of a coprocessor")


def _type_name(head: bytes) -> str | None:
    """The type that a safe serialisation says it holds: format, mode, version, then the name."""
    at = _after_text(head, 0)
    at = None if at is None else _after_text(head, at + 4)
    if at is None:
        return None
    end = _after_text(head, at)
    name = head[at + 8 : end]
    return name.decode("ascii") if end is not None and _NAME.fullmatch(name) else None


def _after_text(head: bytes, at: int) -> int | None:
    """Where a text ends that begins with its length; None beyond the end."""
    if at + 8 > len(head):
        return None
    end = at + 8 + int.from_bytes(head[at : at + 8], "little")
    return end if end <= len(head) else None
