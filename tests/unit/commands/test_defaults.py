"""What a command takes where an option is left out is something that the option would take."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from streams.cli import app

APP: Any = typer.main.get_command(app)


def commands(path: tuple[str, ...], command: Any) -> Iterator[tuple[str, Any]]:
    yield " ".join(path), command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands((*path, name), below)


@pytest.mark.parametrize(("path", "command"), list(commands(("cipherstream",), APP)))
def test_every_default_is_taken(path: str, command: Any) -> None:
    context = command.context_class(command, info_name=path)
    given = [each for each in command.params if each.default is not None and not each.required]
    for option in given:
        option.process_value(context, option.get_default(context))
