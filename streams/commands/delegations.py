"""`delegations`: who may decrypt in whose name."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands import output
from streams.commands.devnet import JsonOption

if TYPE_CHECKING:
    from streams.adapters.postgres.delegations import Delegation

_ADDRESS_BYTES = 20


def delegations(
    account: Annotated[str, typer.Argument(help="Delegator or delegate; without one, all.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show the delegations of user decryption that the host chains' canonical branches hold."""
    found = asyncio.run(_read(_address(account) if account else None))
    if as_json:
        output.result(found)
    else:
        _show(found)


def _address(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != _ADDRESS_BYTES:
        raise typer.BadParameter("an account is 0x and 40 hex digits")
    return raw


async def _read(account: bytes | None) -> "list[Delegation]":
    from streams.adapters.postgres import delegations, migrate, pool
    from streams.settings import load_settings

    connections = await pool.open_pool(load_settings().postgres, 1)
    try:
        await migrate.check(connections)
        return await delegations.standing(connections, account)
    finally:
        await connections.close()


def _show(found: "Sequence[Delegation]") -> None:
    if not found:
        output.say("nobody has delegated anything")
    for one in found:
        until = "revoked" if one.is_revoked else f"until {one.expiration}"
        typer.echo(f"{one.delegator} to {one.delegate} for {one.contract}: {until}, block {one.block_number}")
