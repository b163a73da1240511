"""`devnet up|down|status|decrypt`: the embedded servers and chains."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from streams.commands import output
from streams.fhe.keyset import DEVNET_ENGINE, EngineName

app = typer.Typer(help="Kafka, Postgres, an object store and two chains, embedded.", no_args_is_help=True)

StateOption = Annotated[Path, typer.Option("--state", help="Folder of the devnet.")]
DEFAULT_STATE = Path(".cipherstream")
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command()
def up(
    state: StateOption = DEFAULT_STATE,
    engine: Annotated[EngineName, typer.Option(help="What computes.")] = DEVNET_ENGINE,
    block_time: Annotated[int, typer.Option(min=1, help="Seconds between blocks.")] = 1,
) -> None:
    """Start the devnet, or what of it does not run, and write its settings file."""
    from streams.devnet import up as devnet
    from streams.devnet.state import State

    servers = asyncio.run(devnet.up(State(state), engine=engine, block_time_s=block_time))
    output.say(f"devnet runs; settings in {State(state).settings_file}, logs in {State(state).logs}")
    output.say(f"host chain {servers.host_http_url}, gateway {servers.gateway_http_url}")


@app.command()
def down(
    state: StateOption = DEFAULT_STATE,
    delete: Annotated[bool, typer.Option("--delete", help="Delete its data, too.")] = False,
) -> None:
    """Stop every process of the devnet, services first; its data stays."""
    from streams.devnet import up as devnet
    from streams.devnet.state import State

    asyncio.run(devnet.down(State(state), delete=delete))
    output.say("devnet is down")


@app.command()
def status(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Show its processes; exit code 1 unless all servers run."""
    from streams.devnet import stack

    parts = stack.status(state)
    if as_json:
        output.result(parts)
    elif not parts:
        output.say(f"no devnet was started in {state}; start one: cipherstream devnet up")
    for part in () if as_json else parts:
        where = f"port {part.port}" if part.port else ""
        output.say(f"{part.name:20} {'runs' if part.is_running else 'down':5} {where:11} {part.log}")
    servers = [part for part in parts if part.name in stack.PARTS]
    raise typer.Exit(0 if servers and all(part.is_running for part in servers) else 1)


@app.command()
def decrypt(
    handles: Annotated[list[str], typer.Argument(help="Handles, 0x and 64 hex digits each.")],
    client_key: Annotated[Path | None, typer.Option(help="File of the client key.")] = None,
    gateway: Annotated[str, typer.Option(help="URL of the gateway chain.")] = "",
    ciphertext_commits: Annotated[str, typer.Option(help="Contract that holds the digests.")] = "",
    gateway_config: Annotated[str, typer.Option(help="Contract that holds the operators.")] = "",
    bucket: Annotated[str, typer.Option(help="Root URL of the public objects.")] = "",
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Show clear values out of the squashed objects, after checking digest and attestation.

    What is not given comes from the devnet's settings. No database and no credentials are used.
    """
    from streams.devnet import decryption

    source = decryption.source(
        decryption.Source(client_key, gateway, ciphertext_commits, gateway_config, bucket), state
    )
    found = asyncio.run(decryption.decrypt(source, handles))
    if as_json:
        output.result([{"handle": f"0x{one.handle.hex()}", "value": one.value} for one in found])
        return
    for one in found:
        output.say(f"0x{one.handle.hex()} = {one.value}")
