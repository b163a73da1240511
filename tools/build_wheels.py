"""Builds the native wheels once per machine and change: `tools/build_wheels.py --python PYTHON`.

A wheel lives in the user's cache under a hash of its crate's sources, the workspace lock, the compiler and
the flags; when that wheel is already installed nothing happens. Needs cargo, uv and, in PYTHON, maturin. Uses
the standard library only, so that it runs before anything is installed.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NATIVE = ROOT / "native"
CRATES = ("tfhe", "client", "kernel")
# No `target-cpu=native`: the known answers were recorded for the generic target. An empty value also hides
# what the user's environment says.
RUSTFLAGS = ""
MATURIN_FLAGS = ("--release", "--locked", "--compatibility", "linux", "--quiet")
HASH_CHARS = 16
_SETTINGS = ("config.toml", "config")

_INSTALLED = """
import importlib.metadata, sys
for name in sys.argv[1:]:
    try:
        print(importlib.metadata.distribution(name).read_text("direct_url.json") or "{}")
    except importlib.metadata.PackageNotFoundError:
        print("{}")
"""


class BuildError(Exception):
    """A wheel could not be built or installed."""


def cache_root() -> Path:
    """`$XDG_CACHE_HOME/cipherstream`, by default below `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cipherstream"


def compiler_version() -> str:
    """What `rustc -vV` says; raises BuildError."""
    return run(["rustc", "-vV"])


def wheel_hash(native: Path, crate: str, compiler: str) -> str:
    """Identity of a wheel: everything that decides its bytes."""
    digest = hashlib.sha256()
    for part in (compiler, RUSTFLAGS, " ".join(MATURIN_FLAGS)):
        digest.update(_framed(part.encode()))
    for path in _sources(native, crate):
        digest.update(_framed(os.path.relpath(path, native).encode()))
        digest.update(_framed(path.read_bytes()))
    return digest.hexdigest()[:HASH_CHARS]


def _sources(native: Path, crate: str) -> list[Path]:
    folder = native / crate
    sources = sorted(path for path in (folder / "src").rglob("*") if path.is_file())
    # Cargo reads these where they exist; its settings also from the folders above the crate.
    settings = (above / ".cargo" / name for above in (native.parent, native, folder) for name in _SETTINGS)
    optional = (folder / "build.rs", *settings)
    return [
        native / "Cargo.toml",
        native / "Cargo.lock",
        folder / "Cargo.toml",
        folder / "pyproject.toml",
        folder / f"cipherstream_{crate}.pyi",
        *sources,
        *(path for path in optional if path.is_file()),
    ]


def _framed(part: bytes) -> bytes:
    return len(part).to_bytes(8, "big") + part


def build(crate: str, python: Path, identity: str) -> Path:
    """The wheel of a crate, from the cache or built now; builders wait for each other."""
    folder = cache_root() / "wheels" / identity
    with locked(cache_root() / "wheels.lock"):
        if not folder.is_dir():
            _build_into(folder, crate, python)
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise BuildError(f"{folder} holds {len(wheels)} wheels, one is due: remove it and run again")
    return wheels[0]


def _build_into(folder: Path, crate: str, python: Path) -> None:
    say(f"building cipherstream-{crate} (the first build on a machine takes about five minutes)")
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        manifest = NATIVE / crate / "Cargo.toml"
        paths = ("-m", manifest, "-o", draft, "-i", python)
        command = [python, "-m", "maturin", "build", *MATURIN_FLAGS, *paths]
        run(command, {"CARGO_TARGET_DIR": str(cache_root() / "target"), "RUSTFLAGS": RUSTFLAGS})
        draft.chmod(0o755)
        draft.rename(folder)  # complete or absent
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def installed(python: Path, crates: Sequence[str]) -> dict[str, str]:
    """Where each installed wheel came from, as a URL; empty when it is not installed."""
    names = [f"cipherstream-{crate}" for crate in crates]
    lines = run([python, "-c", _INSTALLED, *names]).splitlines()
    return {crate: json.loads(line).get("url", "") for crate, line in zip(crates, lines, strict=True)}


def install(wheels: Sequence[Path], python: Path) -> None:
    """Puts the wheels into the environment of `python`; raises BuildError."""
    command = ["uv", "pip", "install", "--quiet", "--python", python, "--no-deps", "--reinstall", *wheels]
    run(command)


def ensure(python: Path, crates: Sequence[str] = CRATES) -> list[str]:
    """Builds and installs what is missing or stale; the names of what was installed.

    Raises: BuildError.
    """
    compiler = compiler_version()
    wanted = {crate: wheel_hash(NATIVE, crate, compiler) for crate in crates}
    present = installed(python, crates)
    stale = [crate for crate in crates if f"/{wanted[crate]}/" not in present[crate]]
    if stale:
        (cache_root() / "wheels").mkdir(parents=True, exist_ok=True)
        wheels = [build(crate, python, wanted[crate]) for crate in stale]
        install(wheels, python)
    return stale


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """Holds a file lock: one builder per machine and user."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(command: Sequence[str | Path], extra: Mapping[str, str] | None = None) -> str:
    """What a program printed; raises BuildError with its complaint."""
    argv = [str(part) for part in command]
    env = {**os.environ, **(extra or {})}
    try:
        result = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise BuildError(f"{argv[0]} is not installed") from error
    if result.returncode:
        raise BuildError(f"{' '.join(argv)} ended with {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def say(text: str) -> None:
    """One line for the person who waits."""
    sys.stderr.write(f"{text}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Build and install the native wheels.")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="to install into")
    parser.add_argument("crates", nargs="*", default=CRATES, help=f"which of {', '.join(CRATES)}")
    options = parser.parse_args(arguments)
    unknown = set(options.crates) - set(CRATES)
    if unknown:
        parser.error(f"unknown crates: {', '.join(sorted(unknown))}")
    started = time.monotonic()
    try:
        fresh = ensure(options.python.absolute(), tuple(options.crates))
    except BuildError as error:
        say(str(error))
        return 1
    say(f"native wheels: {', '.join(fresh) or 'nothing to do'} ({time.monotonic() - started:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
