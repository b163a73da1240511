"""`keys generate|show|activate`: the key set of the devnet."""

import asyncio
from typing import Annotated, Literal

import typer

from streams.commands import output
from streams.commands.devnet import DEFAULT_STATE, JsonOption, StateOption

app = typer.Typer(help="The devnet's key set and reference string.", no_args_is_help=True)


@app.command()
def generate(
    state: StateOption = DEFAULT_STATE,
    engine: Annotated[Literal["tfhe-rs", "clear"], typer.Option(help="What it is for.")] = "tfhe-rs",
    seed: Annotated[str, typer.Option(help="32 bytes in hex; by default this machine's own.")] = "",
) -> None:
    """Make the client key, the key set and the reference string, once per machine and seed."""
    from streams.adapters.system import SystemEntropy
    from streams.devnet import activation
    from streams.devnet.state import State
    from streams.domain.errors import ConfigurationError

    try:
        chosen = bytes.fromhex(seed) if seed else activation.machine_seed(SystemEntropy())
    except ValueError:
        raise ConfigurationError("--seed takes 64 hex digits") from None
    with output.waiting(f"making the keys of {engine} (up to 90 s, once per machine)"):
        keys = activation.generate(State(state), engine, chosen)
    output.say(f"key set {keys.keyset_digest.hex()}")
    output.say(f"reference string {keys.crs_digest.hex()}")


@app.command()
def show(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Show digests and ids of the devnet's key set; nothing secret."""
    from streams.devnet import activation
    from streams.devnet.state import State

    keys = activation.require(State(state))
    if as_json:
        output.result(
            {
                "engine": keys.engine,
                "keyset_digest": keys.keyset_digest.hex(),
                "crs_digest": keys.crs_digest.hex(),
                "key_id": keys.key_id.hex(),
                "crs_id": keys.crs_id.hex(),
            }
        )
        return
    output.say(f"engine            {keys.engine}")
    output.say(f"key set           {keys.keyset_digest.hex()}")
    output.say(f"reference string  {keys.crs_digest.hex()}")
    output.say(f"activated as      {keys.key_id.hex() or 'not yet'}")


@app.command()
def activate(state: StateOption = DEFAULT_STATE) -> None:
    """Upload the public material and send the activation transactions."""
    from streams.devnet import activation, stack
    from streams.devnet.state import State
    from streams.fhe.keyset import KeyStore

    devnet = State(state)
    with output.waiting("uploading the key set"):
        keys = asyncio.run(activation.activate(devnet, stack.describe(state), KeyStore()))
    output.say(f"key {keys.key_id.hex()} is active")
