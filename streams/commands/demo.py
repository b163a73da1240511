"""`demo`: an encrypted transfer, from the chain to its digest on the gateway and back to a number."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Final

import typer

from streams.commands.devnet import DEFAULT_STATE, StateOption
from streams.devnet.demo.plan import KILLABLE, MAIN_JOB, Stage
from streams.fhe.keyset import DEVNET_ENGINE, EngineName

_INTERRUPTED: Final = 130  # as a shell says it


def demo(
    transfers: Annotated[int, typer.Option(help="Honest transfers.")] = 5,
    engine: Annotated[EngineName, typer.Option(help="What computes.")] = DEVNET_ENGINE,
    until: Annotated[
        str | None,
        typer.Option(help=f"Last stage to do: {', '.join(Stage)}.", show_default=MAIN_JOB),
    ] = None,
    kill: Annotated[
        list[str] | None,
        typer.Option(help=f"Kill this service once while busy: {', '.join(KILLABLE)}; repeatable."),
    ] = None,
    coprocessors: Annotated[int, typer.Option(min=1, help="How many, on one broker and one gateway.")] = 1,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="Of several, what happens to the last: lying, misjudging, slow, down; repeatable."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running.")] = False,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Watch a confidential token work; exit code 0 only if all balances decrypt to what they must be.

    Several coprocessors show that they agree on every digest, and what is said when one of them does not.
    """
    from rich.console import Console

    from streams.devnet.demo import plan, run, several_coprocessors
    from streams.domain.errors import ConfigurationError

    if coprocessors > 1 or fault:
        if until or kill:
            raise ConfigurationError("--until and --kill are for one coprocessor")
        many = several_coprocessors.make(
            state_dir=state, coprocessors=coprocessors, engine=engine, chosen=tuple(fault or ()), keep=keep
        )
        raise typer.Exit(_end(several_coprocessors.run(many, Console())))
    try:
        goal = Stage(until) if until else None
    except ValueError:
        raise ConfigurationError(f"there is no stage {until}; stages: {', '.join(Stage)}") from None
    chosen = plan.make(
        state_dir=state, transfers=transfers, engine=engine, until=goal, kills=tuple(kill or ()), keep=keep
    )
    raise typer.Exit(_end(run.run(chosen, Console())))


def _end(work: Coroutine[None, None, int]) -> int:
    """The exit code of a run."""
    try:
        return asyncio.run(work)
    except asyncio.CancelledError:
        return _INTERRUPTED
