"""`doctor`: can this machine do the work, and does it compute what the network computes?"""

import shutil
from pathlib import Path
from typing import Annotated, Final

import typer

from streams.commands import output

FASTEST: Final = "avx512"
# Programs of the devnet, and what needs them.
_PROGRAMS: Final = {
    "java": "Kafka",
    "mvn": "Kafka's libraries",
    "npm": "the chains",
    "go": "the object store",
}


def doctor(
    known_answers: Annotated[
        Path | None, typer.Option(help="File of known answers to be computed here.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the computation.")] = 2,
) -> None:
    """Look at this machine; with known answers, compute them and end with equal/total.

    Exit code 1 unless all are equal, or when something that the devnet needs is missing.
    """
    from streams.fhe import tfhe_rs

    found = tfhe_rs.instruction_set()
    if found != FASTEST:
        output.say(
            f"WARNING: this processor has no AVX-512 but {found}: the known answers were recorded with it,"
        )
        output.say("WARNING: and a machine without it may compute other bytes than the network does")
    if known_answers is not None:
        raise typer.Exit(_compare(known_answers, threads))
    raise typer.Exit(_programs())


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


def _programs() -> int:
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    for name, use in _PROGRAMS.items():
        typer.echo(f"{name:6} {'missing' if name in missing else 'here':8} for {use} of the devnet")
    return 1 if missing else 0
