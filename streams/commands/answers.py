"""What `doctor` computes: known answers, and the matrix of operations and types."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from streams.commands import output

if TYPE_CHECKING:
    from streams.devnet.client import Generated
    from streams.fhe.keyset import EngineName, KeyFiles


def compare(file: Path, threads: int) -> int:
    """Computes the answers of a file; the exit code is 0 when all are equal."""
    from streams.fhe import known_answers

    known_answers.load(file)  # a wrong file is told before the minute that keys take
    _, files = keys()

    def tell(answer: known_answers.Answer) -> None:
        output.say(f"{'equal' if answer.equal else 'DIFFERENT':9}  {answer.name}")

    report = known_answers.run(file, files, threads, tell)
    for line in report.lines():
        typer.echo(line)
    return 0 if report.total and report.equal == report.total else 1


def continue_matrix(report: Path, threads: int, engine: "EngineName" = "tfhe-rs") -> int:
    """Computes what the report does not have as equal yet; the exit code is 0 when all cells are equal."""
    from streams.devnet import client, encrypted_matrix
    from streams.fhe import engines, matrix

    answers = encrypted_matrix.load(report)
    generated, files = keys()
    samples = client.TfheSamples(generated.client_key.read_bytes(), files)
    compute = engines.open_compute(engine, files, threads)
    cells = matrix.cells()
    for answer in encrypted_matrix.run(report, cells, compute, samples, engines.release_of(engine)):
        output.say(f"{'equal' if answer.equal else 'DIFFERENT':9}  {answer.cell:24} {answer.cpu_s:8.2f} s")
        answers[answer.cell] = answer
    equal = sum(answers[str(cell)].equal for cell in cells)
    typer.echo(f"{equal}/{len(cells)}")
    return 0 if equal == len(cells) else 1


def keys() -> "tuple[Generated, KeyFiles]":
    """The key set of the known answers, with its client key."""
    from streams.devnet import client
    from streams.fhe import known_answers
    from streams.fhe.keyset import KeyStore

    store = KeyStore()
    with output.waiting("opening the key set of the known answers (made once per machine, up to 2 min)"):
        generated = client.generate_seeded("tfhe-rs", known_answers.SEED, store)
        return generated, store.derive(generated.keyset_digest)
