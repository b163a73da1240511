"""`bench determinism`: the same bytes whatever computes them, in a table with the digests of every way."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from streams.domain.errors import ConfigurationError, Fatal
from streams.fhe.device_choice import DeviceName

if TYPE_CHECKING:
    from streams.bench.determinism import Comparison, Found
    from streams.bench.report import Report

THREADS: Final = (1, 3)
BATCHES: Final = (1, 5, 64)  # one by one; parts that end anywhere; more than there is
_LINE: Final = "{:6} {:7} {:>7} {:>5}  {:6}  {:7}"
_CELL: Final = "  {:13}"
_DIGEST_CHARS: Final = 12
_DIFFERENT: Final = "!"  # behind a digest that is not the first one's


class OtherBytes(Fatal):
    """The same input gave other bytes."""


def determinism(
    context: typer.Context,
    device: Annotated[list[str] | None, typer.Option(help="cpu or cuda; repeatable.")] = None,
    path: Annotated[
        list[str] | None, typer.Option(help="Instruction set of the CPU; repeatable, by default all.")
    ] = None,
    threads: Annotated[list[int] | None, typer.Option(min=1, help="Repeatable.")] = None,
    batch: Annotated[list[int] | None, typer.Option(min=1, help="Computed together; repeatable.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Of a look-up; 918 is the pinned set's.")] = 24,
    to_file: Annotated[
        Path | None, typer.Option("--output", help="File for the results, as JSON.", dir_okay=False)
    ] = None,
) -> None:
    """Digests of the same operations over devices, instruction sets, threads, batches, orders, processes.

    Transfers, random numbers, compression, decompression, re-randomisation and squashing, on keys and
    numbers of random words. The exit code tells whether all digests are equal.
    """
    from streams.bench import determinism as measured
    from streams.commands.measured import Measurements
    from streams.fhe.wave.on_device import known_device

    paths = list(_paths([known_device(name) for name in device or ("cpu",)], path))
    counts, sizes = tuple(threads or THREADS), tuple(batch or BATCHES)
    own = measured.ways(paths, counts, sizes)
    # One setting of each path is enough there: what another process could change, it changes in all of them.
    other = [
        way for way in measured.ways(paths, counts[-1:], sizes[-1:], measured.Process.OTHER) if way.is_crowded
    ]
    typer.echo(_LINE.format("device", "path", "threads", "batch", "order", "process") + _heads())
    found: list[Found] = []
    for each in measured.run((*own, *other), steps):
        found.append(each)
        typer.echo(_line(measured.Comparison(found), each))
    comparison = measured.Comparison(found)
    typer.echo(f"equal: {comparison.equal}/{comparison.total}")
    assert isinstance(context.obj, Measurements)  # made by the callback of the group
    context.obj.keep(_report(comparison, steps), to_file)
    if comparison.equal != comparison.total:
        raise OtherBytes(f"{comparison.total - comparison.equal} of {comparison.total} digests differ")


def _paths(devices: Iterable[DeviceName], wanted: list[str] | None) -> Iterator[tuple[str, str]]:
    import cipherstream_kernel as kernel

    here = kernel.instruction_sets()
    unknown = [name for name in wanted or () if name not in here]
    if unknown:
        raise ConfigurationError(f"this machine has no instruction set {unknown[0]}, only {', '.join(here)}")
    for device in devices:
        yield from ((device, name) for name in (wanted or here)) if device == "cpu" else ((device, ""),)


def _heads() -> str:
    from streams.bench.determinism import OPERATIONS

    return "".join(map(_CELL.format, OPERATIONS)).rstrip()


def _line(comparison: "Comparison", found: "Found") -> str:
    way = found.way
    cells = [
        digest[:_DIGEST_CHARS] + ("" if comparison.is_equal(operation, digest) else _DIFFERENT)
        for operation, digest in found.digests.items()
    ]
    named = (way.device, way.path or "-", way.threads, way.batch, way.order, way.process)
    return (_LINE.format(*named) + "".join(map(_CELL.format, cells))).rstrip()


def _report(comparison: "Comparison", steps: int) -> "Report":
    from streams.bench.report import Figure, Report

    figures = (
        Figure(
            name=str(each.way),
            value=comparison.equal_of(each),
            unit="equal digests",
            at_least=len(each.digests),
        )
        for each in comparison.found
    )
    total = Figure(name="all", value=comparison.equal, unit="equal digests", at_least=comparison.total)
    setting: dict[str, int | float | str] = {"steps": steps, **comparison.found[0].digests}
    return Report(bench="determinism", setting=setting, figures=(*figures, total))
