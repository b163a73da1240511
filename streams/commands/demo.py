"""`demo`: an encrypted transfer, from the chain to its digest on the gateway and back to a number."""

import asyncio
from typing import Annotated, Final, Literal

import typer

from streams.commands.devnet import DEFAULT_STATE, StateOption

_INTERRUPTED: Final = 130  # as a shell says it


def demo(
    transfers: Annotated[int, typer.Option(help="Honest transfers.")] = 5,
    engine: Annotated[Literal["tfhe-rs", "clear"], typer.Option(help="What computes.")] = "tfhe-rs",
    until: Annotated[str | None, typer.Option(help="Last stage to do.", show_default="all")] = None,
    kill: Annotated[
        list[str] | None, typer.Option(help="Kill this service once while busy; repeatable.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running.")] = False,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Watch a confidential token work; exit code 0 only if all balances decrypt to what they must be."""
    from rich.console import Console

    from streams.devnet.demo import plan, run
    from streams.domain.errors import ConfigurationError

    try:
        goal = plan.Stage(until) if until else None
    except ValueError:
        raise ConfigurationError(f"there is no stage {until}; stages: {', '.join(plan.Stage)}") from None
    chosen = plan.make(
        state_dir=state, transfers=transfers, engine=engine, until=goal, kills=tuple(kill or ()), keep=keep
    )
    try:
        code = asyncio.run(run.run(chosen, Console()))
    except asyncio.CancelledError:
        code = _INTERRUPTED
    raise typer.Exit(code)
