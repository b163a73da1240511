"""Resident memory of every service that runs here now, of the demonstration or of `cipherstream up`."""

from pathlib import Path

import msgspec

from streams.bench.deployment import memory_of
from streams.bench.report import Report
from streams.devnet.processes import identify
from streams.domain.errors import ConfigurationError


class _Address(msgspec.Struct, frozen=True):
    pid: int


def measure(state: Path) -> Report:
    """Look at the processes that left their address in this folder; raises ConfigurationError for none."""
    found = {
        path.stem: identify(msgspec.json.decode(path.read_bytes(), type=_Address).pid)
        for path in sorted((state / "services").glob("*.json"))
    }
    running = {name: leader for name, leader in found.items() if leader is not None}
    if not running:
        raise ConfigurationError(f"no service runs in {state}; `cipherstream demo --keep` leaves all running")
    figures = tuple(figure for name, leader in running.items() for figure in memory_of(name, leader))
    return Report(bench="memory", setting={"services": len(running)}, figures=figures)
