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
from streams.fhe import key_objects
from streams.fhe.key_objects import CLEAR_MAGIC, KeyObject
from streams.fhe.keyset import DIGEST_BYTES

_CHUNK_BYTES: Final = 1 << 20
# What TFHE-rs names its types that decrypt; a name stands before each object that it writes.
_SECRET: Final = re.compile(rb"ClientKey|SecretKey|PrivateKey")
_SECRET_BYTES_MAX: Final = 10  # of such a name


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What may be taken in."""

    name: str
    option: str  # of the command line
    type_names: tuple[str, ...]  # of the safe serialisation
    material: Material  # whose place, digest and size hold

    @property
    def file(self) -> str:
        return self.material.file


KEYSET: Final = Kind(
    name="key set",
    option="keyset",
    type_names=(KeyObject.XOF_KEY_SET, KeyObject.SERVER_KEY),
    material=Material.KEYSET,
)
CRS: Final = Kind(
    name="reference string",
    option="crs",
    type_names=("zk::CompactPkeCrs",),
    material=Material.CRS,
)
PUBLIC_KEY: Final = Kind(
    name="public key",
    option="public-key",
    type_names=(key_objects.PUBLIC_KEY,),
    material=Material.PUBLIC_KEY,
)


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is in the key directory now."""

    kind: str
    type_name: str
    digest: bytes
    file: str
    is_new: bool


def check(kind: Kind, source: Path) -> str:
    """The type that a file begins with; raises KeyMaterialError unless it is what it should be."""
    try:
        with source.open("rb") as file:
            head, size_bytes = file.read(4096), os.fstat(file.fileno()).st_size
    except OSError as error:
        raise KeyMaterialError(f"cannot read {source}: {error.strerror}") from error
    if head.startswith(CLEAR_MAGIC):
        raise KeyMaterialError(f"{source} is of the engine clear, whose keys `keys generate` makes")
    found = key_objects.type_name(head)
    if found is None:
        raise KeyMaterialError(f"{source} is not a safe-serialised {kind.name}")
    if _SECRET.search(found.encode()):
        raise _secret(source)
    if found not in kind.type_names:
        raise KeyMaterialError(f"{source} is a {found}, not a {kind.name} ({' or '.join(kind.type_names)})")
    if size_bytes > kind.material.size_bytes_max:
        raise KeyMaterialError(f"{source} is larger than {kind.material.size_bytes_max} bytes")
    return found


def take_in(directory: Path, kind: Kind, source: Path, expected: bytes | None = None) -> Imported:
    """Copy a file to where services look for its digest; nothing is left behind where this raises.

    Raises: KeyMaterialError for another type, another digest than expected, or a secret part.
    """
    found = check(kind, source)
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
    file = str(target / kind.file)
    return Imported(kind=kind.name, type_name=found, digest=digest, file=file, is_new=is_new)


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
    shake, tail = hashlib.shake_256(kind.material.domain), b""
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            if _SECRET.search(tail + chunk):
                raise _secret(source)
            tail = chunk[-_SECRET_BYTES_MAX:]
            shake.update(chunk)
            write(chunk)
    return shake.digest(DIGEST_BYTES)


def _secret(source: Path) -> KeyMaterialError:
    return KeyMaterialError(f"{source} holds a secret key, which belongs on no machine of a coprocessor")
