"""Key sets on this machine: what was activated, by digest, and the files by purpose derived from it.

<root>/<digest>/keyset            the activated bytes: any of `key_objects`
<root>/<digest>/public_key        what goes with a `CompressedServerKey`, which has no public key in it
<root>/<digest>/derived/compute   expanded server key: no noise-squashing keys, but the one for random numbers
<root>/<digest>/derived/squash    the full server key, where it can squash; only sns-worker opens it
<root>/<digest>/derived/public    compact public key, where there is one
<root>/<digest>/derived/manifest.json   what was derived, and which parts are lacking: of the key set, or
                                        `compute` and `squash` where the crate's wheel is (`plain_derive`)
<root>/crs/<digest>               reference strings

Everything here is public material. Secret parts live in a folder called `secrets`, which no service takes for
its key directory (`adapters/key_store.py`).
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from streams.domain.errors import KeyMaterialError, KeyMissing, KeyUnderived
from streams.fhe import crate
from streams.fhe.key_objects import KeyObject, recognised
from streams.fhe.key_parts import Part

Engine = Literal["tfhe-rs", "clear"]  # of a key set
EngineName = Literal["tfhe-rs", "wave", "clear"]  # what computes; `wave` does on the key sets of `tfhe-rs`
# Of devnet and demonstration. The settings have `tfhe-rs`: beside existing operators digests must be theirs.
DEVNET_ENGINE: Final[EngineName] = "wave"

# What a key set was made for; a derived file of another release would open and give other bytes.
RELEASES: Final[Mapping[str, str]] = {"tfhe-rs": "tfhe 1.6.3", "clear": "clear 1"}
# The domains of the chain's activation digests (kms: `PDAT_KEY`, `PDAT_CRS`): a reference string can never
# pass for a key set.
KEY_DOMAIN: Final = b"PDAT_KEY"
CRS_DOMAIN: Final = b"PDAT_CRS"
PUBLIC: Final = "public"
PUBLIC_KEY: Final = "public_key"  # beside a key set that has none in it
SECRETS: Final = "secrets"  # folder of what must never be here
CLIENT_KEY: Final = "client_key"  # file of the secret key, below it
PURPOSES: Final = (PUBLIC, "compute", "squash")
DIGEST_BYTES: Final = 32  # SHAKE gives any length; the chain states these
# How the process that derives ends where it knows why; 1 is of an interpreter that failed for any reason.
BAD_MATERIAL: Final = os.EX_DATAERR
NOT_NOW: Final = os.EX_TEMPFAIL  # the material is not to blame

_MANIFEST: Final = "manifest.json"
_CHUNK_BYTES: Final = 1 << 20
_DIGEST: Final = re.compile(rf"[0-9a-f]{{{2 * DIGEST_BYTES}}}")  # the name of a key set's folder

_M = TypeVar("_M", bound=msgspec.Struct)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a derived folder holds; written last."""

    engine: Engine
    release: str
    digest: str
    lacks: tuple[Part, ...] = ()


class KeyFiles(msgspec.Struct, frozen=True):
    """The files by purpose of one key set."""

    folder: Path

    @property
    def compute(self) -> Path:
        """The expanded server key without the keys that squash; tfhe-worker and zkproof-worker."""
        return self.folder / "compute"

    @property
    def squash(self) -> Path:
        """The full server key; only sns-worker opens it."""
        return self.folder / "squash"

    @property
    def public(self) -> Path:
        return self.folder / PUBLIC

    def lacks(self) -> tuple[Part, ...]:
        """Parts that the key set has not, so that there may be no such file; raises KeyMaterialError."""
        manifest = manifest_of(self.folder, Manifest)
        return () if manifest is None else manifest.lacks


def cache_root() -> Path:
    """`$XDG_CACHE_HOME/cipherstream`, by default below `~/.cache`."""
    # `or`: an empty variable counts as none (XDG Base Directory Specification).
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cipherstream"


def file_digest(domain: bytes, path: Path) -> bytes:
    """SHAKE256 of domain and file, 32 bytes: what the chain's activation states. Raises KeyMissing."""
    shake = hashlib.shake_256(domain)
    try:
        with path.open("rb") as file:
            # In pieces: a key set with squashing keys has half a gigabyte.
            while chunk := file.read(_CHUNK_BYTES):
                shake.update(chunk)
    except FileNotFoundError as error:
        raise KeyMissing(f"there is no {path.name} here") from error
    return shake.digest(DIGEST_BYTES)


def require_digest(keyset: Path) -> None:
    """Digest a key set again before anything is made from it; raises KeyMissing, KeyMaterialError.

    A folder that has no digest for a name says nothing of what is in it.
    """
    # No reader can tell that a bit of a body has changed on the disk, and since it was added months may
    # have gone by.
    said = keyset.parent.name
    if _DIGEST.fullmatch(said) and file_digest(KEY_DOMAIN, keyset).hex() != said:
        raise KeyMaterialError(f"{keyset} is not what its folder says; delete the folder")


def keys_of(engine: EngineName) -> Engine:
    """Whose key sets an engine computes on."""
    # What computes is each operator's choice, whose key set it is was the network's: a manifest names the
    # latter only.
    return "clear" if engine == "clear" else "tfhe-rs"


def engine_of(keyset: Path) -> Engine:
    """Which engine a key set belongs to; raises KeyMissing, and KeyMaterialError for what is no key set."""
    return "clear" if recognised(keyset) is KeyObject.CLEAR else "tfhe-rs"


class KeyStore:
    """The key sets of this machine; any number of processes may use it at once."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or cache_root() / "keys"

    def keyset(self, digest: bytes) -> Path:
        """Where the activated bytes are, or will be."""
        return self.root / digest.hex() / "keyset"

    def public_key(self, digest: bytes) -> Path:
        """Where the public key is, or will be, that goes with the server key of that digest."""
        return self.root / digest.hex() / PUBLIC_KEY

    def crs(self, digest: bytes) -> Path:
        """Where a reference string is, or will be."""
        return self.root / "crs" / digest.hex()

    def add_keyset(self, source: Path, expected: bytes | None = None) -> bytes:
        """Takes a key set in and returns its digest; raises KeyMaterialError if another one was expected."""
        return self._add(KEY_DOMAIN, source, expected, self.keyset)

    def add_crs(self, source: Path, expected: bytes | None = None) -> bytes:
        """Takes a reference string in and returns its digest; raises KeyMaterialError as above."""
        return self._add(CRS_DOMAIN, source, expected, self.crs)

    def add_public_key(self, digest: bytes, source: Path, expected: bytes | None = None) -> bytes:
        """Takes in the public key that goes with the server key of `digest`, and returns its own digest.

        Raises: KeyMaterialError if another one was expected, or is here already.
        """
        target = self.public_key(digest)
        if target.exists() and file_digest(KEY_DOMAIN, target) != file_digest(KEY_DOMAIN, source):
            raise KeyMaterialError(f"{target.parent} has another public key; delete it if it is wrong")
        return self._add(KEY_DOMAIN, source, expected, lambda _: target)

    def _add(
        self, domain: bytes, source: Path, expected: bytes | None, place: Callable[[bytes], Path]
    ) -> bytes:
        digest = file_digest(domain, source)
        # Before anything is written: a folder of a digest never holds other bytes.
        if expected is not None and digest != expected:
            raise KeyMaterialError(f"{source.name} has digest {digest.hex()}, announced is {expected.hex()}")
        # Copied and not moved: the source stays the caller's and may lie in another file system.
        target = place(digest)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(source, target)
        return digest

    def ready(self, digest: bytes) -> KeyFiles | None:
        """The files by purpose, if they have been derived here for this release, of all that is here."""
        folder = self.root / digest.hex() / "derived"
        manifest = manifest_of(folder, Manifest)
        if manifest is None:
            return None
        # Refused and not overwritten: workers of that release may have these files open.
        if manifest.release != RELEASES[manifest.engine]:
            ours = RELEASES[manifest.engine]
            raise KeyMaterialError(
                f"{folder} is of {manifest.release}, this is {ours}; delete it where no "
                "other release uses it, it is derived again"
            )
        # The files themselves are not checked here: the manifest is written last, so that they are whole.
        return None if any(self._arrivals(manifest, digest)) else KeyFiles(folder)

    def derive(self, digest: bytes) -> KeyFiles:
        """The files by purpose, derived now in a process of its own if they are missing.

        Raises:
            KeyMissing: the key set is not on this machine.
            KeyUnderived: that process was killed, met a full disk or failed itself; the key set may be good.
            KeyMaterialError: it does not decode or is not of this release.
        """
        found = self.ready(digest)
        if found is not None:
            return found
        keyset = self.keyset(digest)
        if not keyset.exists():
            raise KeyMissing(f"key set {digest.hex()} is not on this machine")
        # Workers of one machine start together, and each derivation takes 3 GB: one derives, the others
        # wait and find.
        with locked(keyset.with_name(".lock")):
            return self.ready(digest) or self._derive(keyset, digest)

    def _arrivals(self, manifest: Manifest, digest: bytes) -> Iterator[tuple[Part, str, Path]]:
        """What can be derived now and could not before: the part, the kind of derivation, its source."""
        if Part.EXPANDED in manifest.lacks and crate.is_installed():
            yield Part.EXPANDED, manifest.engine, self.keyset(digest)
        if Part.PUBLIC in manifest.lacks and self.public_key(digest).exists():
            yield Part.PUBLIC, PUBLIC, self.public_key(digest)

    def _derive(self, keyset: Path, digest: bytes) -> KeyFiles:
        target = keyset.with_name("derived")
        manifest = manifest_of(target, Manifest) or self._derive_into(target, keyset, digest)
        for part, kind, source in self._arrivals(manifest, digest):
            if source == keyset:
                require_digest(keyset)
            lacks = tuple(each for each in manifest.lacks if each is not part)
            manifest = msgspec.structs.replace(manifest, lacks=lacks)
            _complete(target, manifest, kind, source)
        return KeyFiles(target)

    def _derive_into(self, target: Path, keyset: Path, digest: bytes) -> Manifest:
        engine = engine_of(keyset)
        require_digest(keyset)
        with drafted(target) as draft:
            lacks = _derive_in_process(engine, keyset, draft)
            manifest = Manifest(engine=engine, release=RELEASES[engine], digest=digest.hex(), lacks=lacks)
            seal(draft, manifest)
        return manifest


def _complete(folder: Path, manifest: Manifest, kind: str, source: Path) -> None:
    """Others have the folder open: each file in it is there whole or not at all, the manifest last."""
    with tempfile.TemporaryDirectory(prefix=".completing.", dir=folder.parent) as made:
        draft = Path(made)
        _derive_in_process(kind, source, draft)
        files = sorted(draft.iterdir())
        seal(draft, manifest)
        for file in (*files, draft / _MANIFEST):
            file.rename(folder / file.name)


def _derive_in_process(kind: str, source: Path, folder: Path) -> tuple[Part, ...]:
    # Expansion takes about 3 GB, more than any worker may.
    command = [sys.executable, "-m", "streams.fhe.derive", kind, str(source), str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise _underived(source, result.returncode, result.stderr)
    return msgspec.json.decode(result.stdout, type=tuple[Part, ...])


def _underived(source: Path, code: int, stderr: str) -> KeyMaterialError | KeyUnderived:
    if code < 0:  # by the kernel, for the memory that this takes, or by somebody: no word about the file
        return KeyUnderived(
            f"deriving from {source} was ended by signal {-code}; it takes about 3 GB of memory"
        )
    # The last line only: what comes before is the crate's own output.
    last = (stderr.strip() or "no message").splitlines()[-1]
    kind = KeyMaterialError if code == BAD_MATERIAL else KeyUnderived
    return kind(f"deriving from {source} failed ({code}): {last}")


def _copy(source: Path, target: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".adding.", delete=False) as draft:
        path = Path(draft.name)
    try:
        shutil.copyfile(source, path)
        # A temporary file is its owner's alone; key material is public, and other users' workers read it.
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
        raise KeyMaterialError(
            f"the manifest in {folder} does not decode; delete the folder, it is derived again"
        ) from error


def seal(folder: Path, manifest: msgspec.Struct) -> None:
    """Writes what a folder of derived files says of itself; the last thing written into it."""
    (folder / _MANIFEST).write_bytes(msgspec.json.encode(manifest))


@contextlib.contextmanager
def drafted(target: Path) -> Generator[Path]:
    """A folder to write derived files into; once it was sealed it becomes the target, or nothing does.

    To be called under the lock of the key set: the draft of a process that was killed is replaced.
    """
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    try:
        yield draft
        draft.chmod(0o755)
        # one atomic step within one file system
        draft.rename(target)
    finally:
        # nothing is there any more when it was renamed
        shutil.rmtree(draft, ignore_errors=True)


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """One process at a time."""
    # The file stays: if it were removed, one who waits on it and one who makes it anew would both hold a
    # lock.
    with path.open("w") as file:
        # The kernel lets go of it when the process dies, so that a killed one blocks nobody.
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
