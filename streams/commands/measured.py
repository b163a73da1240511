"""What the measurements of one command line found: printed beside the aims, and written to one file."""

import dataclasses
import shlex
import sys
from pathlib import Path
from typing import Final

import msgspec
import typer

from streams.bench.report import Figure, Machine, Report, Run, Ticks, machine, ticks
from streams.bench.yardstick import Yardstick

_LINE: Final = "{:12} {:52} {:>10} {:14} {}"


@dataclasses.dataclass
class Measurements:
    """Those of one command line; their results go to `output` after each."""

    machine: Machine = dataclasses.field(default_factory=machine)
    reports: list[Report] = dataclasses.field(default_factory=list)
    output: Path | None = None
    has_heading: bool = False
    since: Ticks = dataclasses.field(default_factory=ticks)  # end of the measurement before
    yardstick: Yardstick | None = None

    def finish(self, report: Report) -> Report:
        """What was measured last, with what the neighbours took of the machine meanwhile, told and untold."""
        before, self.since = self.since, ticks()
        slowness = () if self.yardstick is None else self.yardstick.slowness()
        taken = self.since.stolen_since(before)
        return msgspec.structs.replace(report, figures=(*report.figures, *taken, *slowness))

    def show(self, report: Report) -> None:
        """Print figures, the machine and the heading before the first."""
        if not self.has_heading:
            self.has_heading = True
            of = self.machine
            typer.echo(f"{of.cpu}, {of.cores} cores, {of.memory_gib:g} GiB, load {of.load:g}")
            typer.echo(_LINE.format("bench", "figure", "value", "unit", "aim"))
        for figure in report.figures:
            value = f"{figure.value:,}"
            typer.echo(_LINE.format(report.bench, figure.name, value, figure.unit, _aim(figure)).rstrip())

    def keep(self, report: Report, output: Path | None) -> None:
        """Add a report to the file, which a later name on the command line may give."""
        self.reports.append(report)
        self.output = output or self.output
        if self.output is None:
            return
        command = shlex.join(("cipherstream", *sys.argv[1:]))
        run = Run(command=command, machine=self.machine, reports=tuple(self.reports))
        self.output.parent.mkdir(parents=True, exist_ok=True)
        self.output.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")


def _aim(figure: Figure) -> str:
    if figure.is_met is None:
        return ""
    aim = f">= {figure.at_least:g}" if figure.at_least is not None else f"<= {figure.at_most:g}"
    return aim if figure.is_met else f"{aim}, missed"
