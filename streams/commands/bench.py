"""`bench counts`: what operations cost, from the algorithms themselves."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands import output
from streams.commands.devnet import JsonOption
from streams.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from streams.fhe.radix.counts import Row

app = typer.Typer(help="Measurements.", no_args_is_help=True)

_LINE = "{:22} {:>4}  {:9}  {:10}  {:>8}  {:>5}  {:>5}"


@app.callback()
def bench() -> None:
    """Measurements."""


@app.command()
def counts(
    bits: Annotated[int, typer.Option(help="Width of the operands; 0 for all (slow).")] = 64,
    as_json: JsonOption = False,
) -> None:
    """Bootstraps of every operation in both forms, how many follow one another, and the largest noise."""
    from streams.fhe.radix import counts as radix_counts

    found = list(radix_counts.rows(bits or None))
    if not found:
        widths = ", ".join(map(str, radix_counts.widths()))
        raise ConfigurationError(f"no operation has operands of {bits} bits; there are {widths}")
    if as_json:
        output.result(found)
    else:
        _show(found)


def _show(found: Iterable["Row"]) -> None:
    typer.echo(_LINE.format("operation", "bits", "operand", "form", "look-ups", "depth", "noise"))
    for row in found:
        paid = row.cost
        cells = (row.operation, row.bits, row.operands, row.form, paid.look_ups, paid.depth, paid.noise)
        typer.echo(_LINE.format(*cells))
