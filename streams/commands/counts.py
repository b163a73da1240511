"""`bench counts`: the bootstraps of every operation, beside those that TFHE-rs takes."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from streams.commands import output
from streams.commands.devnet import JsonOption
from streams.domain.errors import ConfigurationError
from streams.fhe.radix.forms import Form

if TYPE_CHECKING:
    from streams.bench.tfhe_rs_counts import Counted
    from streams.fhe.radix.counts import Row

_LINE: Final = "{:22} {:>4}  {:10}  {:10}  {:>8}  {:>5}  {:>5}  {:>8}  {:>5}"
_HEADS: Final = ("operation", "bits", "operand", "form", "look-ups", "depth", "noise", "TFHE-rs", "ratio")


def counts(
    bits: Annotated[int, typer.Option(help="Width of the operands; 0 for all (slow).")] = 64,
    as_json: JsonOption = False,
) -> None:
    """Bootstraps of every operation in both forms, how many follow one another, and the largest noise.

    Beside them those of TFHE-rs for the same operation, where they were counted (8 and 64 bits): in its form
    of fewest bootstraps, beside our latency form in its form of shortest chains.
    """
    from streams.bench import tfhe_rs_counts
    from streams.fhe.radix import counts as radix_counts

    found = [(row, tfhe_rs_counts.of(row)) for row in radix_counts.rows(bits or None)]
    if not found:
        widths = ", ".join(map(str, radix_counts.widths()))
        raise ConfigurationError(f"no operation has operands of {bits} bits; there are {widths}")
    if as_json:
        output.result([_document(row, counted) for row, counted in found])
    else:
        _show(found)


def _theirs(row: "Row", counted: "Counted | None") -> int | None:
    if counted is None:
        return None
    return counted.fewest if row.form is Form.THROUGHPUT else counted.many_threads


def _document(row: "Row", counted: "Counted | None") -> dict[str, object]:
    return {**dataclasses.asdict(row), "tfhe_rs": _theirs(row, counted)}


def _show(found: "Sequence[tuple[Row, Counted | None]]") -> None:
    typer.echo(_LINE.format(*_HEADS))
    for row, counted in found:
        paid, theirs = row.cost, _theirs(row, counted)
        # Where neither takes any there is nothing to divide.
        ratio = f"{paid.look_ups / theirs:.2f}" if theirs else ""
        shown = "" if theirs is None else theirs
        cells = (paid.look_ups, paid.depth, f"{paid.noise:.4g}", shown, ratio)
        line = _LINE.format(row.operation, row.bits, row.operands, row.form, *cells)
        typer.echo(line.rstrip())
