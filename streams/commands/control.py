"""`control resume|accept-loss|halted`: an operator's word to the graph service."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from streams.commands import output
from streams.commands.devnet import JsonOption
from streams.domain.errors import CipherstreamError, ConfigurationError

if TYPE_CHECKING:
    from streams.adapters.postgres.store import HaltedTenant
    from streams.settings import PostgresSettings

app = typer.Typer(help="Tenants that are halted and logs that were cut.", no_args_is_help=True)


@app.command()
def resume(tenant: Annotated[str, typer.Argument(help="Name of the halted tenant.")]) -> None:
    """Apply what was kept of a halted tenant and let it go on; the owner of its shard does it."""
    from streams.adapters.kafka.log import KafkaLog
    from streams.adapters.system import SystemEntropy
    from streams.domain.control import TenantControl
    from streams.messages.topics import CONTROL
    from streams.settings import load_settings

    request = SystemEntropy().bytes(16).hex()
    command = TenantControl(tenant=tenant, action="resume", request=request)

    async def send() -> None:
        settings = load_settings()
        await _warn_unless_halted(settings.postgres, tenant)
        log = KafkaLog(settings.kafka)
        try:
            await log.append(CONTROL, key=f"tenant/{tenant}".encode(), value=msgspec.json.encode(command))
        finally:
            await log.close()

    asyncio.run(send())
    output.say(f"asked to resume {tenant} (request {request})")


async def _warn_unless_halted(postgres: "PostgresSettings", tenant: str) -> None:
    """A word only: the owner of the shard decides, and a database out of reach keeps no command back."""
    try:
        found = await _halted(postgres)
    except CipherstreamError as error:
        output.say(f"cannot see whether {tenant} is halted: {error}")
        return
    if tenant not in {row.tenant for row in found}:
        output.say(f"no tenant {tenant} is halted, so nothing will come of it; see `control halted`")


async def _halted(postgres: "PostgresSettings") -> list["HaltedTenant"]:
    from streams.adapters.postgres.store import PostgresStore

    store = await PostgresStore.open(postgres, 1)
    try:
        return await store.halted()
    finally:
        await store.close()


@app.command()
def halted(as_json: JsonOption = False) -> None:
    """List halted tenants with the record that failed."""
    from streams.settings import load_settings

    found = asyncio.run(_halted(load_settings().postgres))
    if as_json:
        output.result(found)
        return
    for row in found:
        output.say(f"{row.tenant}  {row.topic}/{row.part}/{row.off}  {row.error}")
    if not found:
        output.say("no tenant is halted")


@app.command(name="accept-loss")
def accept_loss(
    topic: Annotated[str, typer.Argument(help="events.v1 or results.v1")],
    partition: Annotated[int, typer.Argument(help="The shard.", min=0)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Go on with what a cut or new log still holds, although records are lost."""
    from streams.adapters.kafka.log import KafkaLog
    from streams.adapters.postgres.store import PostgresStore
    from streams.messages.topics import EVENTS, RESULTS
    from streams.services.graph import truncation
    from streams.settings import load_settings

    if topic not in (EVENTS, RESULTS):
        raise ConfigurationError(f"no shard reads {topic}: name {EVENTS} or {RESULTS}")
    if not yes:
        typer.confirm(f"Records of {topic}/{partition} are lost for good. Go on without them?", abort=True)

    async def repair() -> int:
        settings = load_settings()
        store, log = await PostgresStore.open(settings.postgres, 1), KafkaLog(settings.kafka)
        try:
            return await truncation.accept_loss(store, log, topic, partition)
        finally:
            await log.close()
            await store.close()

    offset = asyncio.run(repair())
    output.say(f"{topic}/{partition} goes on at offset {offset}; restart the graph service")
