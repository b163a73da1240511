"""Resident memory of every service that runs here now, of the demonstration or of `cipherstream up`."""

from pathlib import Path

from streams.bench.deployment import memory_of
from streams.bench.report import Report
from streams.devnet.processes import identify
from streams.domain.errors import ConfigurationError
from streams.services import address


def measure(state: Path) -> Report:
    """Look at the processes that left their address in this folder; raises ConfigurationError for none."""
    found = {name: identify(address.read(state, name).pid) for name in address.names(state)}
    running = {name: leader for name, leader in found.items() if leader is not None}
    if not running:
        known = "--state names the folder of `cipherstream demo --keep`, or of `cipherstream up`"
        raise ConfigurationError(f"no service runs in {state}; {known}")
    figures = tuple(figure for name, leader in running.items() for figure in memory_of(name, leader))
    return Report(bench="memory", setting={"services": len(running)}, figures=figures)
