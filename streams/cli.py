"""The command line. A command is listed only once it exists; what it needs is imported when it runs."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

import streams
from streams.adapters.telemetry import logs
from streams.commands import (
    bench,
    control,
    delegations,
    demo,
    devnet,
    doctor,
    handle,
    keys,
    lag,
    services,
    storage,
)
from streams.domain.errors import CipherstreamError

app = typer.Typer(
    name="cipherstream",
    help="An fhevm coprocessor as a Kafka stream-processing topology.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


# The order in which a file is looked for (`streams.settings.settings_file`).
_SETTINGS_FILES = "$CIPHERSTREAM_CONFIG, ./cipherstream.toml, .cipherstream/devnet.toml"


@app.callback()
def settings_of_all(
    config: Annotated[Path | None, typer.Option(help="Settings file.", show_default=_SETTINGS_FILES)] = None,
) -> None:
    """Choose the settings file, for child processes and the Faust app too."""
    logs.configure_for_people()
    if config is not None:
        os.environ["CIPHERSTREAM_CONFIG"] = str(config.resolve())


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(streams.__version__)


app.command()(demo.demo)
app.command()(handle.handle)
app.command()(delegations.delegations)
app.command()(lag.lag)
app.command()(doctor.doctor)
app.command()(services.run)
app.command()(services.up)
app.command()(storage.migrate)
app.add_typer(bench.app, name="bench")
app.add_typer(storage.topics_app, name="topics")
app.add_typer(control.app, name="control")
app.add_typer(devnet.app, name="devnet")
app.add_typer(keys.app, name="keys")


def main() -> None:
    """Entry point of `cipherstream`: errors that we know are one line and exit code 1."""
    try:
        app()
    except CipherstreamError as error:
        sys.stderr.write(f"cipherstream: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
