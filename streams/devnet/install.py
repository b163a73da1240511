"""Fetches the servers of the devnet into the user's cache: `python -m streams.devnet.install`.

Each tool has a folder named by a hash of what pins it, so a new pin is a new folder and a finished one is
never touched again. A folder appears by one rename: it is complete or absent.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from streams.domain.errors import ConfigurationError
from streams.fhe.keyset import cache_root

_log = structlog.get_logger(__name__)
_RESOURCES = Path(__file__).parent
_NAME_CHARS = 16
_TAIL_LINES = 15


def resource(name: str) -> Path:
    """A file that pins a tool and ships with this package."""
    return _RESOURCES / name


def pin(*parts: bytes) -> str:
    """The folder name of everything that decides what a tool consists of."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:_NAME_CHARS]


def once(target: Path, build: Callable[[Path], None]) -> Path:
    """The folder `target`, built in a draft beside it where it is missing; one builder at a time.

    Raises: whatever `build` raises; then nothing is left behind.
    """
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.with_name(f".{target.name}.lock")):
        if target.is_dir():
            return target
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            build(draft)
            draft.chmod(0o755)
            draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return target


def tool(name: str, needed_for: str) -> str:
    """The path of a program that the machine must have.

    Raises: ConfigurationError that names it and what it is for.
    """
    found = shutil.which(name)
    if found is None:
        raise ConfigurationError(f"{name} is not installed; the devnet needs it for {needed_for}")
    return found


def execute(
    argv: Sequence[str],
    purpose: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
) -> str:
    """Runs a program to its end and returns what it printed.

    Raises: ConfigurationError with the end of its output.
    """
    _log.info(purpose, action="devnet_install", command=Path(argv[0]).name)
    result = subprocess.run(
        argv,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode:
        tail = "\n".join(result.stdout.splitlines()[-_TAIL_LINES:])
        raise ConfigurationError(
            f"{purpose} failed: {Path(argv[0]).name} ended with {result.returncode}\n{tail}"
        )
    return result.stdout


def everything() -> None:
    """Fetches and prepares every server, side by side.

    Raises: ConfigurationError with everything that is missing or failed.
    """
    from streams.devnet import anvil, kafka, object_store, postgres

    steps = (kafka.install, anvil.install, object_store.install, postgres.install)
    with ThreadPoolExecutor(len(steps)) as pool:
        problems = [problem for problem in pool.map(_problem, steps) if problem is not None]
    if problems:
        raise ConfigurationError("\n".join(problems))


def main() -> int:
    """The command line."""
    try:
        everything()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.write(f"the servers of the devnet are in {cache_root()}\n")
    return 0


def _problem(step: Callable[[], Path]) -> str | None:
    try:
        step()
    except ConfigurationError as error:
        return str(error)
    return None


@contextlib.contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
