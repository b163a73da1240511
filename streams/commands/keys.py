"""`keys generate|show|activate`: the key set of the devnet. `keys import`: one that was made elsewhere."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.commands import output
from streams.commands.devnet import DEFAULT_STATE, JsonOption, StateOption
from streams.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from streams.adapters.key_import import Imported, Kind
    from streams.fhe.keyset import KeyFiles

app = typer.Typer(help="Key sets and reference strings.", no_args_is_help=True)

_FileOption = Annotated[Path | None, typer.Option(help="File, as TFHE-rs safely serialises it.")]
_DigestOption = Annotated[str, typer.Option(help="32 bytes in hex, as the chain's activation states it.")]


@app.command()
def generate(
    state: StateOption = DEFAULT_STATE,
    engine: Annotated[Literal["tfhe-rs", "clear"], typer.Option(help="What it is for.")] = "tfhe-rs",
    seed: Annotated[str, typer.Option(help="32 bytes in hex; by default this machine's own.")] = "",
    server_key: Annotated[
        bool,
        typer.Option("--server-key", help="A CompressedServerKey and a public key in place of one object."),
    ] = False,
) -> None:
    """Make the client key, the key set and the reference string, once per machine and seed."""
    from streams.adapters.system import SystemEntropy
    from streams.devnet import activation
    from streams.devnet.state import State

    try:
        chosen = bytes.fromhex(seed) if seed else activation.machine_seed(SystemEntropy())
    except ValueError:
        raise ConfigurationError("--seed takes 64 hex digits") from None
    if server_key and engine == "clear":
        raise ConfigurationError("--server-key goes with --engine tfhe-rs")
    with output.waiting(f"making the keys of {engine} (up to 90 s, once per machine)"):
        keys = activation.generate(State(state), engine, chosen, has_server_key=server_key)
    output.say(f"key set {keys.keyset_digest.hex()}")
    if keys.public_digest:
        output.say(f"public key {keys.public_digest.hex()}")
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
                "public_digest": keys.public_digest.hex(),
                "crs_digest": keys.crs_digest.hex(),
                "key_id": keys.key_id.hex(),
                "crs_id": keys.crs_id.hex(),
            }
        )
        return
    output.say(f"engine            {keys.engine}")
    output.say(f"key set           {keys.keyset_digest.hex()}")
    if keys.public_digest:
        output.say(f"public key        {keys.public_digest.hex()}")
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


@app.command(name="import")
def import_(
    keyset: _FileOption = None,
    keyset_digest: _DigestOption = "",
    crs: _FileOption = None,
    crs_digest: _DigestOption = "",
    public_key: _FileOption = None,
    public_key_digest: _DigestOption = "",
    derive: Annotated[
        bool, typer.Option("--derive", help="Also make what workers open of the key set, up to 2 min.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Take public key material into the key directory, so that services need not download it.

    Its digest is shown, and compared where one is given. Files that hold a secret key are refused. A key set
    is a CompressedXofKeySet or a CompressedServerKey; a public key given with the latter belongs to it.
    """
    from streams.adapters import key_import

    given = (
        (key_import.KEYSET, keyset, keyset_digest),
        (key_import.CRS, crs, crs_digest),
        (key_import.PUBLIC_KEY, public_key, public_key_digest),
    )
    if derive and keyset is None:
        raise ConfigurationError("--derive goes with --keyset")
    imported = _take_in([_wanted(*one) for one in given if one[1] or one[2]])
    _join(imported)
    if derive:
        with output.waiting("deriving what workers open (up to 2 min, once per machine)"):
            _derive(imported)
    if as_json:
        shown = [{"kind": one.kind, "digest": one.digest.hex(), "file": one.file} for one in imported]
        output.result(shown)
        return
    for one in imported:
        output.say(f"{one.kind:17} {one.digest.hex()}  {'taken in' if one.is_new else 'was here already'}")


def _wanted(kind: "Kind", source: Path | None, digest: str) -> "tuple[Kind, Path, bytes | None]":
    option = f"--{kind.option}"
    if source is None:
        raise ConfigurationError(f"{option}-digest goes with {option}")
    try:
        expected = bytes.fromhex(digest.removeprefix("0x"))
    except ValueError:
        expected = b"?"
    if len(expected) not in (0, 32):
        raise ConfigurationError(f"{option}-digest takes 64 hex digits")
    return kind, source, expected or None


def _take_in(wanted: "list[tuple[Kind, Path, bytes | None]]") -> "list[Imported]":
    """All of them, or none where one is of the wrong type."""
    from streams.adapters import key_import
    from streams.adapters.key_store import key_directory
    from streams.settings import load_settings

    if not wanted:
        raise ConfigurationError("nothing to import: give --keyset, --crs or --public-key")
    directory = key_directory(load_settings().keys)
    for kind, source, _ in wanted:
        key_import.check(kind, source)
    with output.waiting(f"copying to {directory}"):
        return [key_import.take_in(directory, *one) for one in wanted]


def _join(imported: "list[Imported]") -> None:
    """Put a public key beside the server key that it was given with, which has none in it."""
    from streams.adapters import key_import
    from streams.adapters.key_store import key_directory
    from streams.fhe.key_objects import KeyObject
    from streams.fhe.keyset import KeyStore
    from streams.settings import load_settings

    found = {one.kind: one for one in imported}
    keyset, public = found.get(key_import.KEYSET.name), found.get(key_import.PUBLIC_KEY.name)
    if keyset is None or public is None or keyset.type_name != KeyObject.SERVER_KEY:
        return
    KeyStore(key_directory(load_settings().keys)).add_public_key(keyset.digest, Path(public.file))


def _derive(imported: "list[Imported]") -> None:
    """As a worker does when the key set is announced; a public key beside it must be the set's own."""
    import httpx

    from streams.adapters import key_import
    from streams.adapters.key_store import KeyStore as Downloads
    from streams.adapters.key_store import key_directory
    from streams.domain.control import KeySetAnnouncement
    from streams.domain.errors import KeyMaterialError
    from streams.fhe.key_objects import KeyObject
    from streams.fhe.keyset import RELEASES, KeyFiles, KeyStore
    from streams.services.worker.material import Material
    from streams.settings import load_settings

    root = key_directory(load_settings().keys)
    found = {one.kind: one for one in imported}
    announcement = KeySetAnnouncement(
        key_id=b"",
        digest=found[key_import.KEYSET.name].digest,
        engine="tfhe-rs",
        release=RELEASES["tfhe-rs"],
        urls=(),
    )

    async def ensure() -> Path:
        async with httpx.AsyncClient() as http:
            return await Material(Downloads(root, http), KeyStore(root)).ensure(announcement)

    files = KeyFiles(asyncio.run(ensure()))
    _say_held(files)
    public = found.get(key_import.PUBLIC_KEY.name)
    if public is None or found[key_import.KEYSET.name].type_name == KeyObject.SERVER_KEY:
        return
    if Path(public.file).read_bytes() != files.public.read_bytes():
        raise KeyMaterialError(f"{public.file} is not the public key of this key set")


def _say_held(files: "KeyFiles") -> None:
    """Whose work a key set does not serve, and why."""
    from streams.fhe import key_parts

    lacks = files.lacks()
    for work_class in key_parts.NEEDS:
        reason = key_parts.held(lacks, work_class)
        if reason:
            output.say(reason)
