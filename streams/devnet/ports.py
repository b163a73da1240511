"""Free ports, chosen once per devnet and kept, so that a restart answers where it did before."""

import contextlib
import errno
import random
import socket
from collections.abc import Iterable
from pathlib import Path

import msgspec

from streams.domain.errors import ConfigurationError

LOOPBACK = "127.0.0.1"
# Below the range that the kernel gives to outgoing connections (32768 and up), which could take a port
# between our look and the server's start.
_RANGE = range(20_000, 32_000)
_TRIES = 200


def choose(path: Path, names: Iterable[str]) -> dict[str, int]:
    """One port per name, recorded in a file: the recorded one where it is free, else a new one.

    Raises: ConfigurationError where no free port was found.
    """
    recorded = read(path)
    chosen: dict[str, int] = {}
    for name in names:
        taken = set(chosen.values()) | {port for other, port in recorded.items() if other != name}
        chosen[name] = _free(recorded.get(name), taken)
    path.write_bytes(msgspec.json.format(msgspec.json.encode({**recorded, **chosen})))
    return chosen


def read(path: Path) -> dict[str, int]:
    """The ports recorded in this file; none where it does not exist."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, int])
    except FileNotFoundError:
        return {}


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with contextlib.closing(socket.socket()) as probe:
        # As servers do: connections of the last run that linger in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def _free(recorded: int | None, taken: set[int]) -> int:
    candidates = [] if recorded is None else [recorded]
    candidates += random.SystemRandom().sample(_RANGE, _TRIES)
    for port in candidates:
        if port not in taken and is_free(port):
            return port
    raise ConfigurationError(f"no free port among {_TRIES} of {_RANGE.start}-{_RANGE.stop}")
