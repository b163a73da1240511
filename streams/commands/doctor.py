"""`doctor`: can this machine do the work, and does it compute what the network computes?"""

import importlib.util
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from streams.commands import output

PYTHONS: Final = ((3, 11), (3, 12))
# Programs, and what needs them.
_PROGRAMS: Final = {
    "cargo": "the binding to TFHE-rs, built once",
    "java": "Kafka of the devnet",
    "mvn": "Kafka's libraries",
    "node": "the chains of the devnet",
    "npm": "the chains' libraries",
    "go": "the object store of the devnet, built once",
}
_WHEELS: Final = ("cipherstream_tfhe", "cipherstream_client", "cipherstream_kernel")


class Need(msgspec.Struct, frozen=True):
    """One thing that this machine must have."""

    name: str
    is_here: bool
    use: str


def doctor(
    known_answers: Annotated[
        Path | None, typer.Option(help="File of known answers to be computed here.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the computation.")] = 2,
) -> None:
    """Look at this machine; with known answers, compute them and end with equal/total.

    Exit code 1 unless all are equal, or when something that is needed is missing.
    """
    missing = [need for need in needs() if not need.is_here]
    has_engine = all(need.name not in _WHEELS for need in missing)
    if has_engine:
        _warn_of_slow_instructions()
    if known_answers is not None and has_engine:
        raise typer.Exit(_compare(known_answers, threads))
    for need in needs():
        typer.echo(f"{need.name:20} {'here' if need.is_here else 'missing':8} for {need.use}")
    raise typer.Exit(1 if missing else 0)


def needs(
    find: Callable[[str], object] = shutil.which,
    find_module: Callable[[str], object] = importlib.util.find_spec,
) -> Iterator[Need]:
    """What the README names, and what `make install` makes; nothing of it is loaded."""
    system = f"{platform.system()} {platform.machine()}"
    yield Need(system, system == "Linux x86_64", "everything: Linux on x86-64 is needed")
    found = f"Python {platform.python_version()}"
    yield Need(found, sys.version_info[:2] in PYTHONS, "everything: 3.11 or 3.12 is needed")
    for name, use in _PROGRAMS.items():
        yield Need(name, find(name) is not None, use)
    for name in _WHEELS:
        yield Need(name, find_module(name) is not None, "encrypted numbers; `make install` builds it")


def _warn_of_slow_instructions() -> None:
    from streams.fhe import tfhe_rs

    found = tfhe_rs.instruction_set()
    if found != tfhe_rs.FASTEST_INSTRUCTION_SET:
        output.say(
            f"WARNING: this processor has no AVX-512 but {found}: the known answers were recorded with it,"
        )
        output.say("WARNING: and a machine without it may compute other bytes than the network does")


def _compare(file: Path, threads: int) -> int:
    from streams.devnet import client
    from streams.fhe import known_answers
    from streams.fhe.keyset import KeyStore

    known_answers.load(file)  # a wrong file is told before the minute that keys take
    store = KeyStore()
    with output.waiting("opening the key set of the known answers (made once per machine, up to 2 min)"):
        files = store.derive(client.generate_seeded("tfhe-rs", known_answers.SEED, store).keyset_digest)

    def tell(answer: known_answers.Answer) -> None:
        output.say(f"{'equal' if answer.equal else 'DIFFERENT':9}  {answer.name}")

    report = known_answers.run(file, files, threads, tell)
    for line in report.lines():
        typer.echo(line)
    return 0 if report.total and report.equal == report.total else 1
