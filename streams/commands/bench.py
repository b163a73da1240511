"""`bench`: what things take here. Several measurements may be named, each with its options behind its name.

`counts` and `waves` are no measurements: they are what operations cost, from the algorithms themselves.
"""

import asyncio
import dataclasses
import os
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from streams.commands import output
from streams.commands.bootstraps import bootstraps
from streams.commands.catch_up import catch_up
from streams.commands.chained_group import ChainedGroup
from streams.commands.counts import counts
from streams.commands.determinism import determinism
from streams.commands.devnet import DEFAULT_STATE, JsonOption, StateOption
from streams.commands.squashes import squashes
from streams.commands.waves import waves
from streams.domain.errors import ConfigurationError
from streams.domain.operations import FheType
from streams.fhe.blas_threads import ONE_THREAD
from streams.fhe.radix.forms import Form

if TYPE_CHECKING:
    from streams.bench.report import Report
    from streams.commands.measured import Measurements
    from streams.fhe.devices.keys import ServerKey
    from streams.fhe.devices.port import Device
    from streams.fhe.wave.measure import Measurement

app = typer.Typer(
    help="Measurements; several names on one line are measured one after the other.",
    no_args_is_help=True,
    cls=ChainedGroup,
)

_TRANSFERS_LINE: Final = "{:>9} {:>9} {:>12} {:>7} {:>9} {:>8} {:>6} {:>15}"
TRANSFERS: Final = (1, 8, 32)
COMPARED: Final = (16,)  # transfers of each engine
SEED: Final = b"bench fhe"  # of the keys and numbers: they protect nothing, and every run has the same


OutputOption = Annotated[
    Path | None,
    typer.Option("--output", help="File for the results of all that is named, as JSON.", dir_okay=False),
]


@app.callback()
def bench(context: typer.Context, to_file: OutputOption = None) -> None:
    """Measurements; several names measure one after the other."""
    from streams.bench import yardstick
    from streams.commands.measured import Measurements

    context.obj = Measurements(output=to_file, yardstick=context.with_resource(yardstick.beside()))


@app.command()
def pipeline(
    context: typer.Context,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long blocks are published.")] = 60.0,
    to_file: OutputOption = None,
) -> None:
    """Milliseconds from a listener's produce call to the delivery report of the work that follows."""
    from streams.bench.pipeline import measure

    _measure(context, measure(seconds, time.perf_counter), to_file)


@app.command()
def graph(
    context: typer.Context,
    blocks: Annotated[int, typer.Option(min=1, help="Facts to apply.")] = 1_000,
    transfers: Annotated[int, typer.Option(min=1, help="Of one block; 6 operations each.")] = 9,
    to_file: OutputOption = None,
) -> None:
    """Operations per second from the first fact to the last committed row."""
    from streams.bench.graph import measure

    _measure(context, measure(blocks, transfers, time.perf_counter), to_file)


@app.command()
def state(
    context: typer.Context,
    rows: Annotated[int, typer.Option(min=1, help="Rows to store, at least.")] = 200_000,
    to_file: OutputOption = None,
) -> None:
    """Rows per second into Postgres, new ones and changed ones."""
    from streams.bench.state import measure

    _measure(context, measure(rows, time.perf_counter), to_file)


@app.command()
def sizes(
    context: typer.Context,
    blocks: Annotated[int, typer.Option(min=1, help="Of 54 operations each.")] = 200,
    operators: Annotated[
        int, typer.Option(min=1, help="That commit on the gateway, ourselves included.")
    ] = 3,
    to_file: OutputOption = None,
) -> None:
    """Bytes that an operation takes in each table and topic and in the object store."""
    from streams.bench.sizes import measure

    _measure(context, measure(blocks, operators), to_file)


@app.command()
def ingest(
    context: typer.Context,
    logs: Annotated[int, typer.Option(min=1, help="Logs to decode, at least.")] = 200_000,
    transfers: Annotated[int, typer.Option(min=1, help="Of one answer; 15 logs each.")] = 60,
    to_file: OutputOption = None,
) -> None:
    """Logs per second from a node's answer to events."""
    from streams.bench.ingest import measure

    _measure(context, measure(logs, transfers, time.perf_counter), to_file)


@app.command()
def memory(context: typer.Context, state: StateOption = DEFAULT_STATE, to_file: OutputOption = None) -> None:
    """Resident memory of every service that runs, of `demo --keep` or of `up`, now and at its most."""
    from streams.bench.memory import measure

    _keep(context, measure(state), to_file)


def _measure(
    context: typer.Context, measuring: "Coroutine[None, None, Report]", to_file: Path | None
) -> None:
    _keep(context, asyncio.run(measuring), to_file)


def _keep(context: typer.Context, report: "Report", to_file: Path | None) -> None:
    measurements = _measurements(context)
    report = measurements.finish(report)
    measurements.show(report)
    measurements.keep(report, to_file)


def _measurements(context: typer.Context) -> "Measurements":
    measurements = context.obj
    assert measurements is not None  # made by the callback of the group
    return measurements


@app.command()
def fhe(
    context: typer.Context,
    transfers: Annotated[list[int] | None, typer.Option(min=1, help="In one window; repeatable.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of the device.")] = 1,
    form: Annotated[Form, typer.Option(help="In which all operations run.")] = Form.THROUGHPUT,
    compare: Annotated[str, typer.Option(help="Engines, with commas: on stored ciphertexts.")] = "",
    operations: Annotated[str, typer.Option(help="That are compared too; by default all.")] = "all",
    whole: Annotated[
        bool, typer.Option(help="Compare squashing and memory too; takes 8 GB of memory.")
    ] = True,
    device: Annotated[str, typer.Option(help="cpu, cuda or concrete.")] = "cpu",
    gpu: Annotated[int | None, typer.Option(min=0, help="The only GPU; by default all take turns.")] = None,
    as_json: JsonOption = False,
    to_file: OutputOption = None,
) -> None:
    """Transfers per second of the wave executor on a device, between blocks in memory.

    A transfer is le, select, sub, add on 64 bits. Decompression and compression are not part of it.

    With --compare: transfers in the whitepaper's form and single operations, from stored ciphertexts to
    stored ciphertexts, by each engine in one run; then the whole cost of a transfer of which three results
    are squashed and compressed, and the memory of a worker.
    """
    if compare:
        report = _compared(compare, (transfers or COMPARED)[0], threads, operations, is_whole=whole)
        _keep(context, report, to_file)
        return
    from streams.fhe.devices.keys import generate_client, generate_server
    from streams.fhe.devices.randomness import SeededSource
    from streams.fhe.parameters import PINNED
    from streams.fhe.wave.measure import Bench

    source = SeededSource(SEED)
    client = generate_client(source, PINNED)
    bench_of = Bench(client, _device(device, generate_server(source, client), threads, gpu), source)
    found = [bench_of.measure(count, _clock, form) for count in transfers or TRANSFERS]
    sum_s = bench_of.sum_s(_clock, form)
    if as_json:
        windows = [{**dataclasses.asdict(each), "per_second": each.per_second} for each in found]
        output.result({"windows": windows, "sum_s": sum_s})
    else:
        _show_transfers(found)
        typer.echo(f"one sum of 64 bits alone: {1000 * sum_s:.1f} ms")
    measurements = _measurements(context)
    measurements.keep(measurements.finish(_report(found, sum_s, threads, form, device)), to_file)


def _compared(engines: str, transfers: int, threads: int, operations: str, *, is_whole: bool) -> "Report":
    # As in a worker's child; what reads it is imported below.
    os.environ.update(ONE_THREAD)
    from streams.bench.components import OPERATIONS
    from streams.bench.engines import measure

    chosen = tuple(OPERATIONS) if operations == "all" else tuple(filter(None, operations.split(",")))
    return measure(engines.split(","), transfers, threads, chosen, is_whole=is_whole)


@app.command()
def squash(
    context: typer.Context,
    bits: Annotated[int, typer.Option(help="Of the number that is squashed; 4 for a block.")] = 64,
    repeats: Annotated[int, typer.Option(min=1, help="The least time of so many counts.")] = 3,
    to_file: OutputOption = None,
) -> None:
    """Milliseconds of a core to squash and to compress a block, the engine wave beside tfhe-rs."""
    from streams.bench.squash_keys import measure

    widths = {each.bits: each for each in FheType if FheType.UINT8 <= each <= FheType.UINT256}
    if bits not in widths:
        raise ConfigurationError(f"no number has {bits} bits; there are {', '.join(map(str, widths))}")
    _keep(context, measure(widths[bits], repeats), to_file)


@app.command("look-ups")
def look_ups(
    context: typer.Context,
    repeats: Annotated[int, typer.Option(min=1, help="The least time of so many counts.")] = 5,
    to_file: OutputOption = None,
) -> None:
    """Milliseconds of a core of one keyswitch and bootstrap, our kernel in batches beside TFHE-rs."""
    from streams.bench.lookup_keys import measure

    _keep(context, measure(repeats), to_file)


@app.command()
def executor(
    context: typer.Context,
    transfers: Annotated[int, typer.Option(min=1, help="At once.")] = 300,
    to_file: OutputOption = None,
) -> None:
    """Processor time of the wave executor by itself, on a device that answers at once."""
    from streams.bench.executor import measure
    from streams.services.worker.child import relax_collector

    relax_collector()  # as in a worker's child
    _keep(context, measure(transfers), to_file)


def _device(name: str, key: "ServerKey", threads: int, gpu: int | None) -> "Device":
    from streams.fhe.wave.on_device import known_device

    match known_device(name):
        case "cpu":
            from streams.fhe.devices.cpu import CpuDevice

            return CpuDevice.prepare(key, threads)
        case "concrete":
            from streams.fhe.devices.concrete import ConcreteDevice

            return ConcreteDevice.prepare(key, threads)
        case "cuda":
            from streams.fhe.devices.cuda.cupy_gpu import fleet
            from streams.fhe.devices.cuda.device import CudaDevice

            return CudaDevice.prepare(key, fleet() if gpu is None else fleet().only(gpu))


def _report(found: "list[Measurement]", sum_s: float, threads: int, form: Form, device: str) -> "Report":
    from streams.bench.report import Figure, Report

    figures = tuple(
        Figure(name=f"{each.transfers} at once", value=round(each.per_second, 3), unit="transfers/s")
        for each in found
    )
    look_up = Figure(name="one look-up", value=round(found[-1].look_up_ms, 3), unit="ms of a core")
    alone = Figure(name="one sum of 64 bits alone", value=round(1000 * sum_s, 1), unit="ms")
    setting: dict[str, int | float | str] = {"device": device, "threads": threads, "form": form}
    return Report(bench="fhe", setting=setting, figures=(*figures, look_up, alone))


app.command("catch-up")(catch_up)
app.command("bootstraps")(bootstraps)
app.command("counts")(counts)
app.command("waves")(waves)
app.command("determinism")(determinism)
app.command("squashes")(squashes)


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
