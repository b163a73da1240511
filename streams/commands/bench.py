"""`bench counts`: what operations cost, from the algorithms themselves. `bench fhe`: what they take here.

`bench catch-up`: how fast a listener reads a chain.
"""

import dataclasses
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Final

import typer

from streams.commands import output
from streams.commands.catch_up import catch_up
from streams.commands.devnet import JsonOption
from streams.domain.errors import ConfigurationError
from streams.fhe.radix.forms import Form

if TYPE_CHECKING:
    from streams.fhe.radix.counts import Row
    from streams.fhe.wave.measure import Measurement

app = typer.Typer(help="Measurements.", no_args_is_help=True)

_LINE = "{:22} {:>4}  {:9}  {:10}  {:>8}  {:>5}  {:>5}"
_TRANSFERS_LINE: Final = "{:>9} {:>9} {:>12} {:>7} {:>9} {:>8} {:>6} {:>15}"
TRANSFERS: Final = (1, 8, 32)
SEED: Final = b"bench fhe"  # of the keys and numbers: they protect nothing, and every run has the same


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


@app.command()
def fhe(
    transfers: Annotated[list[int] | None, typer.Option(min=1, help="In one window; repeatable.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of the device.")] = 1,
    form: Annotated[Form, typer.Option(help="In which all operations run.")] = Form.THROUGHPUT,
    as_json: JsonOption = False,
) -> None:
    """Transfers per second of the wave executor on the device `cpu`, between blocks in memory.

    A transfer is le, select, sub, add on 64 bits. Decompression and compression are not part of it.
    """
    from streams.fhe.devices.cpu import CpuDevice
    from streams.fhe.devices.keys import generate_client, generate_server
    from streams.fhe.devices.randomness import SeededSource
    from streams.fhe.parameters import PINNED
    from streams.fhe.wave.forms import always
    from streams.fhe.wave.measure import Bench

    source = SeededSource(SEED)
    client = generate_client(source, PINNED)
    bench_of = Bench(client, CpuDevice.prepare(generate_server(source, client), threads), source)
    found = [bench_of.measure(count, _clock, always(form)) for count in transfers or TRANSFERS]
    if as_json:
        output.result([{**dataclasses.asdict(each), "per_second": each.per_second} for each in found])
    else:
        _show_transfers(found)


app.command("catch-up")(catch_up)


def _clock() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _show_transfers(found: "list[Measurement]") -> None:
    heads = ("transfers", "seconds", "transfers/s", "ratio", "look-ups", "batches", "fill", "CPU ms/look-up")
    typer.echo(_TRANSFERS_LINE.format(*heads))
    for each in found:
        ratio = each.per_second / found[0].per_second
        speeds = (f"{each.seconds:.2f}", f"{each.per_second:.2f}", f"{ratio:.2f}")
        cells = (each.look_ups, each.batches, f"{100 * each.fill:.0f}%", f"{each.look_up_ms:.2f}")
        typer.echo(_TRANSFERS_LINE.format(each.transfers, *speeds, *cells))
