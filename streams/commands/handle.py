"""`handle HANDLE`: every step of a handle's life, with times."""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands import output
from streams.commands.devnet import JsonOption

if TYPE_CHECKING:
    from streams.adapters.postgres.life import Life


def handle(
    handle: Annotated[str, typer.Argument(help="0x and 64 hex digits.")], as_json: JsonOption = False
) -> None:
    """Show the whole life of a handle; exit code 1 when nobody has heard of it."""
    from streams.domain.handle import parse_handle_text

    found = asyncio.run(_read(parse_handle_text(handle).raw))
    if as_json:
        output.result(found)
    else:
        _show(found.handle, [(s.at, s.what, s.detail) for s in found.steps], found.waits_for)
    raise typer.Exit(0 if found.steps else 1)


async def _read(raw: bytes) -> "Life":
    from streams.adapters.postgres import life, pool
    from streams.settings import load_settings

    connections = await pool.open_pool(load_settings().postgres, 1)
    try:
        return await life.read(connections, raw)
    finally:
        await connections.close()


def _show(name: str, steps: list[tuple[datetime, str, str]], waits_for: tuple[str, ...]) -> None:
    if not steps:
        output.say(f"nobody has heard of {name}")
        return
    typer.echo(name)
    first = steps[0][0]
    for at, what, detail in steps:
        typer.echo(f"{at:%H:%M:%S.%f}  +{(at - first).total_seconds():9.3f} s  {what:32} {detail}")
    for token in waits_for:
        typer.echo(f"waits for {token}")
