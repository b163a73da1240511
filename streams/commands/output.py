"""How commands speak: results on stdout, words for people on stderr, JSON where a machine reads."""

from typing import Any

import msgspec
import typer


def result(value: object) -> None:
    """One JSON document on stdout."""
    document = msgspec.json.encode(value, enc_hook=_hex)
    typer.echo(msgspec.json.format(document, indent=2).decode())


def _hex(value: object) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return str(value)


def say(text: str) -> None:
    """A line for the person at the terminal."""
    typer.echo(text, err=True)
