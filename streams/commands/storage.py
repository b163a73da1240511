"""`migrate` and `topics plan|apply|drift`: tables and topics as this version needs them."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands import output
from streams.commands.devnet import JsonOption

if TYPE_CHECKING:
    from streams.adapters.kafka.declaration import Change

topics_app = typer.Typer(help="Topics of the deployment, as topics.yaml says.", no_args_is_help=True)


def migrate(
    sender_role: Annotated[
        str, typer.Option(help="Let this role do the transaction-sender's work, and nothing else.")
    ] = "",
) -> None:
    """Bring the database's tables up to this version."""
    from streams.adapters.postgres import grants
    from streams.adapters.postgres import migrate as migrations
    from streams.settings import load_settings

    postgres = load_settings().postgres
    applied = asyncio.run(migrations.migrate(postgres.url.get_secret_value(), postgres.schema_name))
    output.say(f"applied {', '.join(applied)}" if applied else "nothing to apply")
    if sender_role:
        url = postgres.url.get_secret_value()
        asyncio.run(grants.grant_sender(url, postgres.schema_name, sender_role))
        output.say(f"{sender_role} reaches the sender's tables only")


@topics_app.command()
def plan(as_json: JsonOption = False) -> None:
    """Show what `apply` would change."""
    from streams.adapters.kafka import topics
    from streams.settings import load_settings

    kafka = load_settings().kafka
    changes = topics.plan(topics.connect(kafka), kafka.prefix)
    _show(changes, as_json)


@topics_app.command()
def apply(
    allow_repartition: Annotated[
        bool, typer.Option("--allow-repartition", help="Let topics grow; this moves keys.")
    ] = False,
) -> None:
    """Create and configure topics on the broker."""
    from streams.adapters.kafka import topics
    from streams.settings import load_settings

    kafka = load_settings().kafka
    admin = topics.connect(kafka)
    changes = topics.plan(admin, kafka.prefix)
    topics.apply(admin, changes, kafka.prefix, allow_repartition=allow_repartition)
    _show(changes, as_json=False)


@topics_app.command()
def drift(as_json: JsonOption = False) -> None:
    """Show every difference, also what `apply` cannot change; exit code 1 where there is one."""
    from streams.adapters.kafka import topics
    from streams.settings import load_settings

    kafka = load_settings().kafka
    changes = topics.drift(topics.connect(kafka), kafka.prefix)
    if changes and not as_json:
        _show_drift(changes)
    else:
        _show(changes, as_json)
    raise typer.Exit(1 if changes else 0)


def _show_drift(changes: "tuple[Change, ...]") -> None:
    from rich.console import Console
    from rich.table import Table

    from streams.adapters.kafka.declaration import ChangeKind

    apply_it = "topics apply"
    told = {
        ChangeKind.CREATE: ("missing", apply_it),
        ChangeKind.CONFIG: ("", apply_it),
        ChangeKind.GROW: ("", "topics apply --allow-repartition; keys move"),
        ChangeKind.SHRINK: ("", "a new topic; Kafka cannot take partitions away"),
        ChangeKind.REPLICATION: ("replication", "the cluster's own tools"),
        ChangeKind.UNMANAGED: ("unknown", "yours to delete, if nobody needs it"),
    }
    table = Table("topic", "what differs", "broker", "declared", "helps", box=None)
    for change in changes:
        what, remedy = told[change.kind]
        table.add_row(change.topic, what or change.setting, change.before, change.after, remedy)
    Console(highlight=False).print(table)


def _show(changes: tuple[object, ...], as_json: bool) -> None:
    if as_json:
        output.result(changes)
        return
    for change in changes:
        output.say(str(change))
    if not changes:
        output.say("the broker is as declared")
