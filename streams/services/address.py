"""Where the services of a devnet are: a file of each, below the state's folder, with its process and port."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

_SUFFIX: Final = ".json"


class Address(msgspec.Struct, frozen=True):
    """A running service."""

    pid: int
    http_port: int


def leave(state: Path, name: str, address: Address) -> None:
    """Say where the process of this name is."""
    folder = _folder(state)
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{name}.{os.getpid()}"
    draft.write_bytes(msgspec.json.encode(address))
    # whole or not at all: the supervisor reads it while it is written
    draft.rename(folder / f"{name}{_SUFFIX}")


def read(state: Path, name: str) -> Address:
    """Where it was last; raises FileNotFoundError."""
    return msgspec.json.decode((_folder(state) / f"{name}{_SUFFIX}").read_bytes(), type=Address)


def names(state: Path) -> Iterator[str]:
    """Of the processes that said where they are, in order; some may have ended since."""
    return (path.stem for path in sorted(_folder(state).glob(f"*{_SUFFIX}")))


def _folder(state: Path) -> Path:
    return state / "services"
