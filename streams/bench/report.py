"""What a measurement found, beside what is aimed at, and on what machine."""

import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

_CPU_INFO: Final = Path("/proc/cpuinfo")
_STATUS: Final = "/proc/{pid}/status"
_STAT: Final = "/proc/{pid}/stat"
_USER, _SYSTEM = 11, 12  # fields after the command
_PROCESSORS: Final = Path("/proc/stat")
# Of its first line: user to steal, what guests of this machine use being in the first two already.
_TIMES, _STOLEN = 8, 7
_KIB: Final = 1024


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One number. `at_least` and `at_most` are what is aimed at; a figure without them is only told."""

    name: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the aim is met; None where there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        # Less than nothing is the difference of two times that neighbours disturbed.
        return None if self.at_most is None else 0 <= self.value <= self.at_most


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement: what was done, and what came out."""

    bench: str
    setting: dict[str, int | float | str]  # sizes, as asked for
    figures: tuple[Figure, ...]


class Ticks(msgspec.Struct, frozen=True):
    """Time of all processors since the machine started."""

    stolen: int = 0  # ready to run here, and a neighbour ran
    whole: int = 0

    def stolen_since(self, before: "Ticks") -> tuple[Figure, ...]:
        """The share of the processors that neighbours on this hardware took meanwhile, where that is told."""
        whole = self.whole - before.whole
        if not whole:
            return ()
        share = (self.stolen - before.stolen) / whole
        return (Figure(name="processor time taken by neighbours", value=round(100 * share, 1), unit="%"),)


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What a figure depends on beside the code; it does not say whose machine it is."""

    cpu: str
    cores: int
    memory_gib: float
    python: str
    load: float  # processes that ran or waited over the last minute, before the measurement


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A file of results."""

    command: str
    machine: Machine
    reports: tuple[Report, ...]


def machine() -> Machine:
    """This machine."""
    return Machine(
        cpu=_cpu(_CPU_INFO.read_text() if _CPU_INFO.exists() else ""),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        python=platform.python_version(),
        load=round(os.getloadavg()[0], 1),
    )


def ticks() -> Ticks:
    """Times of this machine's processors; none where the system does not tell them."""
    if not _PROCESSORS.exists():
        return Ticks()
    return ticks_of(_PROCESSORS.read_text())


def ticks_of(stat: str) -> Ticks:
    """The times that a `/proc/stat` tells."""
    times = [int(value) for value in stat.split("\n", 1)[0].split()[1 : 1 + _TIMES]]
    return Ticks(times[_STOLEN], sum(times))


def resident(name: str, pid: int) -> tuple[Figure, ...]:
    """Memory of a process now and at its most."""
    sizes = _sizes_mib(pid)
    return (
        Figure(name=f"{name}: resident memory", value=sizes["VmRSS"], unit="MiB"),
        Figure(name=f"{name}: most resident memory", value=sizes["VmHWM"], unit="MiB"),
    )


def most_resident_mib(pid: int) -> float:
    """The most memory that a process has had resident."""
    return _sizes_mib(pid)["VmHWM"]


def processor_s(pid: int) -> float:
    """Processor time of a process since its start: a busy neighbour disturbs it less than the wall's."""
    fields = Path(_STAT.format(pid=pid)).read_text().rpartition(")")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / os.sysconf("SC_CLK_TCK")


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many of a hundred do not exceed."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _sizes_mib(pid: int) -> dict[str, float]:
    lines = Path(_STATUS.format(pid=pid)).read_text().splitlines()
    sizes = (line.split() for line in lines if line.startswith(("VmRSS", "VmHWM")))
    return {name.rstrip(":"): round(int(kib) / _KIB, 1) for name, kib, _ in sizes}


def _cpu(info: str) -> str:
    names = (line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name"))
    return next(names, platform.machine())
