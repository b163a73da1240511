"""Key sets on this machine: what was activated, by digest, and the files by purpose derived from it.

<root>/<digest>/keyset            the activated bytes, `CompressedXofKeySet` or a clear key set
<root>/<digest>/derived/compute   expanded server key: no noise-squashing keys, but the one for random numbers
<root>/<digest>/derived/squash    the full server key; only sns-worker opens it
<root>/<digest>/derived/public    compact public key
<root>/<digest>/derived/manifest.json
<root>/crs/<digest>               reference strings

Everything here is public material. Secret parts live in another folder, which no setting of a service names.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from streams.domain.errors import KeyMaterialError, KeyMissing

Engine = Literal["tfhe-rs", "clear"]  # of a key set
EngineName = Literal["tfhe-rs", "wave", "clear"]  # what computes; `wave` does on the key sets of `tfhe-rs`

RELEASES: Final[Mapping[str, str]] = {"tfhe-rs": "tfhe 1.6.3", "clear": "clear 1"}
KEY_DOMAIN: Final = b"PDAT_KEY"
CRS_DOMAIN: Final = b"PDAT_CRS"
CLEAR_MAGIC: Final = b"CLRK"
PURPOSES: Final = ("public", "compute", "squash")

_MANIFEST: Final = "manifest.json"
_CHUNK_BYTES: Final = 1 << 20
_DIGEST_BYTES: Final = 32

_M = TypeVar("_M", bound=msgspec.Struct)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a derived folder holds; written last."""

    engine: Engine
    release: str
    digest: str


class KeyFiles(msgspec.Struct, frozen=True):
    """The files by purpose of one key set."""

    folder: Path

    @property
    def compute(self) -> Path:
        return self.folder / "compute"

    @property
    def squash(self) -> Path:
        return self.folder / "squash"

    @property
    def public(self) -> Path:
        return self.folder / "public"


def cache_root() -> Path:
    """`$XDG_CACHE_HOME/cipherstream`, by default below `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cipherstream"


def file_digest(domain: bytes, path: Path) -> bytes:
    """SHAKE256 of domain and file, 32 bytes: what the chain's activation states. Raises KeyMissing."""
    shake = hashlib.shake_256(domain)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                shake.update(chunk)
    except FileNotFoundError as error:
        raise KeyMissing(f"there is no {path.name} here") from error
    return shake.digest(_DIGEST_BYTES)


def keys_of(engine: EngineName) -> Engine:
    """Whose key sets an engine computes on."""
    return "clear" if engine == "clear" else "tfhe-rs"


def engine_of(keyset: Path) -> Engine:
    """Which engine a key set belongs to, by its first bytes."""
    with keyset.open("rb") as file:
        return "clear" if file.read(len(CLEAR_MAGIC)) == CLEAR_MAGIC else "tfhe-rs"


class KeyStore:
    """The key sets of this machine; any number of processes may use it at once."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or cache_root() / "keys"

    def keyset(self, digest: bytes) -> Path:
        """Where the activated bytes are, or will be."""
        return self.root / digest.hex() / "keyset"

    def crs(self, digest: bytes) -> Path:
        """Where a reference string is, or will be."""
        return self.root / "crs" / digest.hex()

    def add_keyset(self, source: Path, expected: bytes | None = None) -> bytes:
        """Takes a key set in and returns its digest; raises KeyMaterialError if another one was expected."""
        return self._add(KEY_DOMAIN, source, expected, self.keyset)

    def add_crs(self, source: Path, expected: bytes | None = None) -> bytes:
        """Takes a reference string in and returns its digest; raises KeyMaterialError as above."""
        return self._add(CRS_DOMAIN, source, expected, self.crs)

    def _add(
        self, domain: bytes, source: Path, expected: bytes | None, place: Callable[[bytes], Path]
    ) -> bytes:
        digest = file_digest(domain, source)
        if expected is not None and digest != expected:
            raise KeyMaterialError(f"{source.name} has digest {digest.hex()}, announced is {expected.hex()}")
        target = place(digest)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(source, target)
        return digest

    def ready(self, digest: bytes) -> KeyFiles | None:
        """The files by purpose, if they have been derived here for this release."""
        folder = self.root / digest.hex() / "derived"
        manifest = manifest_of(folder, Manifest)
        if manifest is None:
            return None
        if manifest.release != RELEASES[manifest.engine]:
            raise KeyMaterialError(f"{folder} is of {manifest.release}, this is {RELEASES[manifest.engine]}")
        return KeyFiles(folder)

    def derive(self, digest: bytes) -> KeyFiles:
        """The files by purpose, derived now in a process of its own if they are missing.

        Raises:
            KeyMissing: the key set is not on this machine.
            KeyMaterialError: it does not decode or is not of this release.
        """
        found = self.ready(digest)
        if found is not None:
            return found
        keyset = self.keyset(digest)
        if not keyset.exists():
            raise KeyMissing(f"key set {digest.hex()} is not on this machine")
        with locked(keyset.with_name(".lock")):
            return self.ready(digest) or self._derive_into(keyset, digest)

    def _derive_into(self, keyset: Path, digest: bytes) -> KeyFiles:
        target = keyset.with_name("derived")
        engine = engine_of(keyset)
        manifest = Manifest(engine=engine, release=RELEASES[engine], digest=digest.hex())
        with drafted(target, manifest) as draft:
            _derive_in_process(engine, keyset, draft)
        return KeyFiles(target)


def _derive_in_process(engine: Engine, keyset: Path, folder: Path) -> None:
    # Expansion takes about 3 GB, more than any worker may.
    command = [sys.executable, "-m", "streams.fhe.derive", engine, str(keyset), str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        last = (result.stderr.strip() or "no message").splitlines()[-1]
        raise KeyMaterialError(f"deriving from {keyset} failed ({result.returncode}): {last}")


def _copy(source: Path, target: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".adding.", delete=False) as draft:
        path = Path(draft.name)
    try:
        shutil.copyfile(source, path)
        path.chmod(0o644)
        path.rename(target)  # complete or absent
    finally:
        path.unlink(missing_ok=True)


def manifest_of(folder: Path, kind: type[_M]) -> _M | None:
    """What a folder of derived files says of itself, None where it is not whole; raises KeyMaterialError."""
    try:
        return msgspec.json.decode((folder / _MANIFEST).read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise KeyMaterialError(f"the manifest in {folder} does not decode") from error


@contextlib.contextmanager
def drafted(target: Path, manifest: msgspec.Struct) -> Generator[Path]:
    """A folder to write derived files into; it becomes the target whole, with its manifest, or not at all."""
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield draft
        (draft / _MANIFEST).write_bytes(msgspec.json.encode(manifest))
        draft.chmod(0o755)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """One process at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
