"""What a machine must have, whether it has it, and how to get it; nothing is installed or loaded for that."""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from streams.domain.errors import ConfigurationError

PYTHONS: Final = ((3, 11), (3, 12))
RUST_MIN: Final = (1, 91, 1)  # of native/Cargo.toml
WHEELS: Final = ("cipherstream_tfhe", "cipherstream_client", "cipherstream_kernel")
# Children of the three compute workers may take 7.2 GB together, the broker and the rest under one more;
# a machine that is sold with 8 GiB shows a little less.
MEMORY_BYTES_MIN: Final = 7_500_000_000
DISK_BYTES_MIN: Final = 4_000_000_000  # a key set with what is derived of it takes 2.5 GB, the build 1.5 GB

_ASK_S: Final = 20.0
_CGROUP: Final = Path("/sys/fs/cgroup/memory.max")
_INSTALL: Final = "`make install`"


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that should be here; `is_needed` is false where everything goes on without it."""

    name: str
    is_here: bool
    use: str
    found: str = ""
    remedy: str = ""
    is_needed: bool = True


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A program that the README names, with what it says of its version where that matters."""

    name: str
    use: str
    remedy: str
    option: str = ""
    pattern: str = ""
    version_min: tuple[int, ...] = ()


PROGRAMS: Final = (
    Program(
        name="cargo",
        use="the binding to TFHE-rs, built once",
        remedy="rustup, or the system's Rust",
        option="--version",
        pattern=r"cargo (\d+)\.(\d+)\.(\d+)",
        version_min=RUST_MIN,
    ),
    Program(name="cc", use="what cargo links with", remedy="the system's C compiler (gcc, build-essential)"),
    Program(
        name="java",
        use="Kafka of the devnet",
        remedy="the system's OpenJDK (openjdk-17-jre-headless)",
        option="-version",
        pattern=r'version "(\d+)',
        version_min=(17,),
    ),
    Program(name="mvn", use="Kafka's libraries", remedy="the system's Maven (maven)"),
    Program(name="node", use="the chains of the devnet", remedy="the system's Node (nodejs)"),
    Program(name="npm", use="the chains' libraries", remedy="the system's npm (npm)"),
    Program(name="go", use="the S3 server of the devnet, built once", remedy="the system's Go (golang-go)"),
)


def _ask(path: str, option: str) -> str:
    """What a program prints; nothing when it does not run."""
    try:
        answer = subprocess.run(
            [path, option],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_ASK_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout


def memory_bytes() -> int:
    """What this process may take at most: the machine's memory, or the container's bound."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(machine, int(_CGROUP.read_text()))
    except (OSError, ValueError):  # no control group, or one without a bound: `max`
        return machine


def free_bytes(path: Path) -> int:
    """Room on the disk where this path is, or will be."""
    here = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    return shutil.disk_usage(here).free


def servers() -> Iterator[tuple[str, bool]]:
    """The devnet's servers, and whether they are in the user's cache."""
    from streams.devnet import anvil, kafka, object_store, postgres

    yield "Kafka", kafka.is_installed()
    yield "anvil", anvil.is_installed()
    yield "S3 server", object_store.is_installed()
    try:
        postgres.install()  # looks only: it comes with a package
    except ConfigurationError:
        yield "Postgres", False
    else:
        yield "Postgres", True


@dataclass(frozen=True)
class Probe:
    """How a machine is asked."""

    find: Callable[[str], object] = shutil.which
    find_module: Callable[[str], object] = importlib.util.find_spec
    ask: Callable[[str, str], str] = _ask
    memory_bytes: Callable[[], int] = memory_bytes
    free_bytes: Callable[[Path], int] = free_bytes
    servers: Callable[[], Iterator[tuple[str, bool]]] = servers


def needs(probe: Probe | None = None) -> Iterator[Need]:
    """What the README names, what `make install` makes, and the room for it."""
    probe = probe or Probe()
    system = f"{platform.system()} {platform.machine()}"
    yield Need(
        name=system,
        is_here=system == "Linux x86_64",
        use="everything",
        remedy="a machine with Linux on x86-64",
    )
    yield Need(
        name="Python",
        is_here=sys.version_info[:2] in PYTHONS,
        found=platform.python_version(),
        use="everything",
        remedy="3.11 or 3.12, then `make PYTHON=python3.11`",
    )
    for program in PROGRAMS:
        yield _program(program, probe)
    for name in WHEELS:
        yield Need(
            name=name, is_here=probe.find_module(name) is not None, use="encrypted numbers", remedy=_INSTALL
        )
    for name, is_here in probe.servers():
        yield Need(name=name, is_here=is_here, use="the devnet and the tests", remedy=_INSTALL)
    yield from _room(probe)


def _program(program: Program, probe: Probe) -> Need:
    path = probe.find(program.name)
    said = probe.ask(str(path), program.option) if path is not None and program.option else ""
    match = re.search(program.pattern, said) if program.pattern else None
    version = tuple(map(int, match.groups())) if match else ()
    wanted = ".".join(map(str, program.version_min))
    return Need(
        name=program.name,
        # A program that does not tell its version is believed.
        is_here=path is not None and (not version or version >= program.version_min),
        found=".".join(map(str, version)),
        use=program.use,
        remedy=f"{program.remedy}, {wanted} or newer" if wanted else program.remedy,
    )


def _room(probe: Probe) -> Iterator[Need]:
    from streams.fhe.keyset import cache_root

    memory, cache = probe.memory_bytes(), cache_root()
    yield Need(
        name="memory",
        is_here=memory >= MEMORY_BYTES_MIN,
        found=_gigabytes(memory),
        use="the workers side by side",
        remedy=f"{_gigabytes(MEMORY_BYTES_MIN)}, or workers on several machines",
    )
    free = probe.free_bytes(cache)
    yield Need(
        name="disk",
        is_here=free >= DISK_BYTES_MIN,
        found=f"{_gigabytes(free)} free",
        use="keys and builds",
        remedy=f"{_gigabytes(DISK_BYTES_MIN)} free at {cache}, or XDG_CACHE_HOME elsewhere",
    )


def _gigabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB"
