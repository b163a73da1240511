"""One run with several coprocessors, from an empty folder to what each detector found."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from streams.devnet import operators, up
from streams.devnet.demo import faults, network, report
from streams.devnet.demo.faults import Fault
from streams.devnet.demo.network import Network
from streams.devnet.demo.run import end_on_signals, pass_over_signals, prepare
from streams.devnet.state import State
from streams.domain.errors import ConfigurationError
from streams.fhe.keyset import EngineName

_COUNTERS: Final = {
    "differ": "coprocessor_gw_listener_drift_detected_counter",
    "no consensus": "coprocessor_gw_listener_consensus_timeout_counter",
    "missing": "coprocessor_gw_listener_missing_submission_counter",
}
_FAULTY: Final = 3  # coprocessors that a fault of one takes: two have to agree


class SeveralPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    state_dir: Path
    coprocessors: int
    engine: EngineName
    faults: tuple[Fault, ...] = ()
    keep: bool = False


def make(
    *, state_dir: Path, coprocessors: int, engine: EngineName, chosen: tuple[str, ...], keep: bool
) -> SeveralPlan:
    """A run as asked for, its faults in the order in which they can follow each other.

    Raises: ConfigurationError for one that cannot be.
    """
    unknown = set(chosen) - set(Fault)
    if unknown:
        raise ConfigurationError(f"--fault takes {', '.join(Fault)}, not {', '.join(sorted(unknown))}")
    if coprocessors > operators.OPERATORS_MAX:
        raise ConfigurationError(f"--coprocessors takes 1 to {operators.OPERATORS_MAX}")
    if chosen and coprocessors < _FAULTY:
        raise ConfigurationError(f"--fault needs --coprocessors {_FAULTY} or more: the others must agree")
    ordered = tuple(fault for fault in Fault if fault in chosen)
    return SeveralPlan(
        state_dir=state_dir, coprocessors=coprocessors, engine=engine, faults=ordered, keep=keep
    )


async def run(plan: SeveralPlan, console: Console) -> int:
    """Start them, let them agree, and let one fail as asked for; 0 when all was as it must be.

    Raises: CipherstreamError with what was not.
    """
    state = State(plan.state_dir)
    await prepare(state)
    end_on_signals()
    threshold = operators.majority(plan.coprocessors)
    console.print(f"{plan.coprocessors} coprocessors, {threshold} have to agree, engine {plan.engine}")
    try:
        servers, members = await operators.up(state, plan.coprocessors, engine=plan.engine)
        async with network.opened(state, servers, members, plan.engine) as made:
            await _step(console, "services", faults.start, made)
            await _step(console, "agreement", faults.agree, made)
            for fault in plan.faults:
                await _step(console, fault, faults.ACTIONS[fault], made)
            console.print(await _findings(made))
    finally:
        pass_over_signals()
        report.logs(console, state.logs.resolve())
        if not plan.keep:
            await up.down(state)
    return 0


async def _step(console: Console, name: str, act: Callable[[Network], Awaitable[str]], made: Network) -> None:
    started_s = time.monotonic()
    said = await act(made)
    took_s = time.monotonic() - started_s
    console.print(f"{name} stands after {took_s:.1f} s: {said}", highlight=False, soft_wrap=True)


async def _findings(made: Network) -> Table:
    """What the detectors of those that are up have counted."""
    table = Table("coprocessor", *_COUNTERS, title="handles and commits that the detectors counted")
    for member in made.members:
        if not member.fleet.names:
            table.add_row(member.name, *("down" for _ in _COUNTERS))
            continue
        counts = [await member.metric(counter) for counter in _COUNTERS.values()]
        table.add_row(member.name, *(f"{count:.0f}" for count in counts))
    return table
