"""How commands speak: results on stdout, words for people on stderr, JSON where a machine reads."""

from collections.abc import Generator
from contextlib import contextmanager
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


@contextmanager
def waiting(text: str) -> Generator[None]:
    """A spinner with this text at a terminal, one plain line elsewhere."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        say(text)
        yield
        return
    with console.status(text):
        yield
