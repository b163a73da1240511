"""`doctor`: can this machine do the work, and does it compute what the network computes?"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from streams.commands import answers, machine, output
from streams.commands.devnet import JsonOption
from streams.commands.machine import Need
from streams.domain.errors import ConfigurationError
from streams.fhe.keyset import EngineName


def doctor(
    known_answers: Annotated[
        Path | None, typer.Option(help="File of known answers to be computed here.")
    ] = None,
    matrix: Annotated[
        Path | None,
        typer.Option(
            help="Report of every operation and type on real ciphertexts, to be begun or continued."
        ),
    ] = None,
    engine: Annotated[EngineName, typer.Option(help="What computes the matrix.")] = "tfhe-rs",
    threads: Annotated[int, typer.Option(min=1, help="Threads of the computation.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Look at this machine and at what the settings name; with known answers or a matrix, compute them.

    Says what is missing and how to get it. Exit code 1 when something is, or unless all answers are equal.
    """
    found = tuple(machine.needs())
    has_engine = all(need.is_here for need in found if need.name in machine.WHEELS)
    if has_engine:
        found += (instructions(),)
        if not as_json:
            _tell_instructions(found[-1])
    if known_answers is not None and has_engine:
        raise typer.Exit(answers.compare(known_answers, threads))
    if matrix is not None and has_engine:
        raise typer.Exit(answers.continue_matrix(matrix, threads, engine))
    found += deployment()
    if as_json:
        output.result(found)
    else:
        _show(found)
    raise typer.Exit(0 if all(need.is_here or not need.is_needed for need in found) else 1)


def deployment() -> tuple[Need, ...]:
    """The settings, and what they name where there are any."""
    from streams import settings
    from streams.commands import reach

    use = "the services"
    try:
        file = settings.settings_file(None)
        given = settings.load_settings()
    except ConfigurationError as error:
        remedy = "docs/operations.md has every key"
        return (Need(name="settings", is_here=False, use=use, found=str(error), remedy=remedy),)
    if not reach.are_given(file):
        remedy = "`cipherstream devnet up` writes a file, or name yours by --config"
        return (Need(name="settings", is_here=False, is_needed=False, use=use, remedy=remedy),)
    here = Need(name="settings", is_here=True, use=use, found=str(file or "environment"))
    with output.waiting("asking what the settings name"):
        return here, *asyncio.run(reach.needs(given))


def _show(found: Sequence[Need]) -> None:
    """Everything in a table; what lacks once more, with what helps."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for column in ("", "state"):
        table.add_column(column, no_wrap=True)
    table.add_column("found", overflow="fold")
    table.add_column("for")
    for need in found:
        table.add_row(need.name, _state(need), need.found if need.is_here else "", need.use)
    console = Console(highlight=False, markup=False)
    console.print(table)
    for need in found:
        if not need.is_here:
            lacks = f"{need.found}; " if need.found else ""
            console.print(f"{need.name}: {lacks}{need.remedy}", soft_wrap=True)


def _state(need: Need) -> str:
    return "here" if need.is_here else "missing" if need.is_needed else "none"


def instructions() -> Need:
    """The instruction set that `tfhe-rs` uses here; only one is known to give the network's bytes."""
    from streams.fhe import tfhe_rs

    used = tfhe_rs.instruction_set()
    return Need(
        name="AVX-512",
        is_here=used == tfhe_rs.FASTEST_INSTRUCTION_SET,
        is_needed=False,
        found=used,
        use="the network's bytes",
        remedy="a processor that has it, or compare with `cipherstream doctor --known-answers FILE`",
    )


def _tell_instructions(need: Need) -> None:
    output.say(f"instruction set in use: {need.found}")
    if not need.is_here:
        output.say(
            f"WARNING: this processor has no AVX-512 but {need.found}. The known answers were recorded"
        )
        output.say("WARNING: with it, and a machine without it may compute other bytes than the network does")
