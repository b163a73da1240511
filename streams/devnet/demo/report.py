"""What is printed before and after a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from streams.devnet.demo.ledger import Line
from streams.devnet.demo.plan import MAIN_JOB, Plan, Stage, estimate_s


def opening(console: Console, plan: Plan) -> None:
    """What will be done and how long it should take."""
    work = f"{plan.transfers} transfers, one that exceeds the balance, one with a foreign proof"
    shown = work if plan.includes(MAIN_JOB) else f"stages up to {plan.until}"
    minutes, seconds = divmod(round(estimate_s(plan)), 60)
    console.print(f"cipherstream demo, engine {plan.engine}: {shown}", highlight=False, soft_wrap=True)
    if plan.kills:
        console.print(f"killed once while busy: {', '.join(plan.kills)}", highlight=False, soft_wrap=True)
    console.print(f"about {minutes} min {seconds} s on two quiet cores", highlight=False)


def closing(
    console: Console, lines: Sequence[Line], took_s: Mapping[Stage, float], folder: Path, rejected: int
) -> None:
    """Balances with their handles, times, and where the logs are."""
    if lines:
        console.print(balances(lines))
        handles(console, lines)
    times = Table("stage", "seconds", title="times")
    for stage, seconds in took_s.items():
        times.add_row(stage, f"{seconds:.1f}")
    times.add_row("total", f"{sum(took_s.values()):.1f}")
    console.print(times)
    if rejected:
        console.print(f"{rejected} foreign proof rejected on the gateway", highlight=False)
    logs(console, folder)


def logs(console: Console, folder: Path) -> None:
    """Where to look, whether a run succeeded or not."""
    console.print(f"logs: {folder}", highlight=False, soft_wrap=True)


def balances(lines: Sequence[Line]) -> Table:
    """Expected beside decrypted."""
    table = Table("account", "expected", "decrypted", "", title="balances")
    for line in lines:
        shown = "-" if line.decrypted is None else str(line.decrypted)
        table.add_row(line.name, str(line.expected), shown, "equal" if line.is_equal else "DIFFERENT")
    return table


def handles(console: Console, lines: Sequence[Line]) -> None:
    """The handle of each balance, whole at any width: to be copied behind `handle` and `devnet decrypt`."""
    for line in lines:
        if line.handle:
            console.print(f" {line.name}  0x{line.handle.hex()}", highlight=False, soft_wrap=True)
