"""`control`: an operator's words to the graph, about what it dispatches and what holds it up."""

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from streams.commands import output
from streams.commands.devnet import JsonOption
from streams.commands.publish_again import commands_for, publish_again
from streams.domain.control import PRIORITY_MAX, RESUME, FeatureSwitch, Pause, Priority
from streams.domain.errors import CipherstreamError, ConfigurationError
from streams.domain.features import MEANINGS, Feature
from streams.domain.work import WorkClass
from streams.messages.codec import decode_control, encode, key_of

if TYPE_CHECKING:
    from streams.adapters.postgres.store import HaltedTenant
    from streams.domain.control import Acknowledgement, Control
    from streams.ports import RaisedAlarm
    from streams.services.graph.standing import Word
    from streams.settings import PostgresSettings

app = typer.Typer(
    help="Pauses, features, priorities, halted tenants, acknowledged alarms, facts that were lost.",
    no_args_is_help=True,
)
_ALARMS_MAX: Final = 500  # of one message, some 60 kB


class FeatureState(StrEnum):
    """What an operator may say of a feature."""

    ON = "on"
    OFF = "off"
    DEFAULT = "default"


TenantArgument = Annotated[str | None, typer.Argument(help="Name of the tenant.")]
ClassOption = Annotated[str | None, typer.Option("--class", help="A work class instead: tfhe, zkproof, ….")]


@app.command()
def pause(tenant: TenantArgument = None, work_class: ClassOption = None) -> None:
    """Dispatch nothing new of a tenant or a work class; facts are applied, and what is in flight ends."""
    word = _pause_of(tenant, work_class)
    asyncio.run(_say((key_of(word), word)))
    output.say(f"{word.scope} {word.name} is paused until `control resume`")


@app.command()
def resume(tenant: TenantArgument = None, work_class: ClassOption = None) -> None:
    """End a pause; of a halted tenant, apply what was kept, which the owner of its shard does."""
    from streams.adapters.system import SystemEntropy
    from streams.domain.control import TenantControl
    from streams.settings import load_settings

    word = _pause_of(tenant, work_class)
    if tenant is None:
        asyncio.run(_say((key_of(word), None)))
        output.say(f"{word.scope} {word.name} goes on")
        return
    request = SystemEntropy().bytes(16).hex()
    command = TenantControl(tenant=tenant, action=RESUME, request=request)

    async def send() -> None:
        await _warn_unless_halted(load_settings().postgres, tenant)
        await _say((key_of(command), command), (key_of(word), None))

    asyncio.run(send())
    output.say(f"asked to resume {tenant} (request {request})")


@app.command()
def feature(
    name: Annotated[Feature, typer.Argument(help="; ".join(f"{f}: {MEANINGS[f]}" for f in Feature))],
    state: Annotated[FeatureState, typer.Argument(help="`default` takes the switch back.")],
) -> None:
    """Switch a feature of the graph service at run time."""
    word = FeatureSwitch(feature=name, enabled=state is FeatureState.ON)
    asyncio.run(_say((key_of(word), None if state is FeatureState.DEFAULT else word)))
    output.say(f"{name}: {state}")


@app.command(context_settings={"ignore_unknown_options": True})  # a priority may begin with a minus
def priority(
    tenant: Annotated[str, typer.Argument(help="Name of the tenant.")],
    value: Annotated[
        int,
        typer.Argument(
            help="Each step doubles the tenant's share of the workers; 0 takes the word back.",
            min=-PRIORITY_MAX,
            max=PRIORITY_MAX,
        ),
    ],
    work_class: Annotated[str, typer.Option("--class", help="Only there: tfhe, zkproof, ….")] = "",
) -> None:
    """Give a tenant more or less of the workers than others have, while they wait for them too."""
    if work_class:
        _check_class(work_class)
    word = Priority(tenant=tenant, value=value, work_class=work_class)
    asyncio.run(_say((key_of(word), word if value else None)))
    output.say(f"{key_of(word).decode()}: {value}")


@app.command()
def standing(as_json: JsonOption = False) -> None:
    """List what holds at present: paused tenants and classes, switched features, priorities."""
    from streams.adapters.kafka.log import KafkaLog
    from streams.services.graph.workers import standing_words
    from streams.settings import load_settings

    async def read() -> "list[Word]":
        log = KafkaLog(load_settings().kafka)
        try:
            return await standing_words(log)
        finally:
            await log.close()

    words = asyncio.run(read())
    if as_json:
        output.result(words)
        return
    for word in words:
        output.say(f"{key_of(word).decode()}{_value_of(word)}")
    if not words:
        output.say("nothing is paused, switched or preferred")


def _value_of(word: "Word") -> str:
    match word:
        case Pause():
            return ""
        case FeatureSwitch():
            return f"  {'on' if word.enabled else 'off'}"
        case Priority():
            return f"  {word.value:+}"


def _check_class(name: str) -> None:
    if name not in set(WorkClass):
        raise ConfigurationError(f"{name} is no work class: {', '.join(WorkClass)}")


def _pause_of(tenant: str | None, work_class: str | None) -> Pause:
    if (tenant is None) == (work_class is None):
        raise ConfigurationError("name a tenant, or a work class with --class")
    if tenant is not None:
        return Pause(scope="tenant", name=tenant)
    assert work_class is not None
    _check_class(work_class)
    return Pause(scope="class", name=work_class)


async def _say(*words: "tuple[bytes, Control | None]") -> None:
    """Append to control.v1; None takes a word back. Raises Undecodable for what no reader would take."""
    from streams.adapters.kafka.log import KafkaLog
    from streams.messages.topics import CONTROL
    from streams.settings import load_settings

    said = [(key, None if word is None else encode(word)) for key, word in words]
    for _, value in said:
        if value is not None:
            decode_control(value)
    log = KafkaLog(load_settings().kafka)
    try:
        for key, value in said:
            await log.append(CONTROL, key=key, value=value)
    finally:
        await log.close()


async def _warn_unless_halted(postgres: "PostgresSettings", tenant: str) -> None:
    """A word only: the owner of the shard decides, and a database out of reach keeps no command back."""
    try:
        found = await _halted(postgres)
    except CipherstreamError as error:
        output.say(f"cannot see whether {tenant} is halted: {error}")
        return
    if tenant not in {row.tenant for row in found}:
        output.say(f"no tenant {tenant} is halted, so this ends a pause only; see `control halted`")


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


@app.command()
def skip(
    tenant: Annotated[str, typer.Argument(help="Name of the halted tenant.")],
    reason: Annotated[str, typer.Option(help="Why: kept in `dead_letters` and `dlq.v1`, with the record.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Give up the record that halts a tenant, keep it as a dead letter, and resume without it.

    Results and what ranges of the gateway tell can be given up; blocks and keys never.
    """
    from streams.adapters.system import SystemEntropy
    from streams.domain.control import SKIP, TenantControl
    from streams.settings import load_settings

    found = asyncio.run(_halted(load_settings().postgres))
    row = next((row for row in found if row.tenant == tenant), None)
    if row is None:
        raise ConfigurationError(f"no tenant {tenant} is halted; see `control halted`")
    output.say(f"{row.topic}/{row.part}/{row.off}  {row.error}")
    if not yes:
        typer.confirm("What this record says is never applied. Go on without it?", abort=True)
    request = SystemEntropy().bytes(16).hex()
    command = TenantControl(
        tenant=tenant,
        action=SKIP,
        request=request,
        topic=row.topic,
        partition=row.part,
        offset=row.off,
        record=bytes.fromhex(row.record),
        reason=reason,
    )
    asyncio.run(_say((key_of(command), command)))
    output.say(f"asked to go on without it (request {request}); `control halted` says what came of it")


@app.command()
def acknowledge(
    tenant: Annotated[str, typer.Argument(help="Name of the tenant.")],
    kind: Annotated[str, typer.Argument(help="Kind of alarm, as `cipherstream_alarms` names it.")],
    reason: Annotated[str, typer.Option(help="Why: kept in `alarm_acknowledgements`.")],
    subject: Annotated[
        str | None,
        typer.Option(help="Subject of the only one that is meant, in hex; by default all that stand."),
    ] = None,
) -> None:
    """Count alarms no longer that an operator has seen to; one that says something else is counted again."""
    from streams.domain.rows import HALTED, AlarmKind
    from streams.settings import load_settings

    if kind in {AlarmKind.GATEWAY_RANGE, AlarmKind.PENDING_PARENT}:
        raise ConfigurationError(f"{kind} ends by itself, and until then says something new every time")
    if kind == HALTED:
        raise ConfigurationError("a tenant that is halted stays so: `control resume`, or `control skip`")
    chosen = None if subject is None else _subject(subject)
    found = asyncio.run(_alarms(load_settings().postgres, tenant, kind))
    known = [alarm for alarm in found if chosen in (None, alarm.subject)]
    if not known:
        of = "" if subject is None else f" of subject {subject}"
        raise ConfigurationError(f"no alarm {kind}{of} of {tenant} stands; see the view standing_alarms")
    for alarm in known:
        output.say(f"{alarm.subject.hex()}  {alarm.detail}")
    parts = [known[start : start + _ALARMS_MAX] for start in range(0, len(known), _ALARMS_MAX)]
    words = [_acknowledgement(tenant, kind, part, reason) for part in parts]
    asyncio.run(_say(*((key_of(word), word) for word in words)))
    requests = ", ".join(word.request for word in words)
    output.say(f"asked to acknowledge {len(known)} {kind} of {tenant} (request {requests})")


def _subject(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise ConfigurationError(f"--subject is in hex, not {text}") from error


def _acknowledgement(tenant: str, kind: str, alarms: "list[RaisedAlarm]", reason: str) -> "Acknowledgement":
    from streams.adapters.system import SystemEntropy
    from streams.domain.control import AcknowledgedAlarm, Acknowledgement, detail_digest

    named = (AcknowledgedAlarm(subject=a.subject, detail_digest=detail_digest(a.detail)) for a in alarms)
    request = SystemEntropy().bytes(16).hex()
    return Acknowledgement(tenant=tenant, kind=kind, alarms=tuple(named), reason=reason, request=request)


async def _alarms(postgres: "PostgresSettings", tenant: str, kind: str) -> "list[RaisedAlarm]":
    from streams.adapters.postgres.store import PostgresStore

    store = await PostgresStore.open(postgres, 1)
    try:
        return await store.alarms(tenant, kind)
    finally:
        await store.close()


@app.command(name="accept-loss")
def accept_loss(
    topic: Annotated[str, typer.Argument(help="events.v1 or results.v1")],
    partition: Annotated[int, typer.Argument(help="The shard.", min=0)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Go on with what a cut or new log still holds, although records are lost.

    Facts that were lost before they were applied are not made up for by that: later blocks of their tenants
    wait for their parent, later ranges of the gateway for what is missing before them. The commands that tell
    them again are printed. What was applied before it was lost costs nothing.
    """
    from streams.adapters.kafka.log import KafkaLog
    from streams.adapters.postgres.store import PostgresStore
    from streams.messages.topics import EVENTS, RESULTS
    from streams.services.graph import truncation
    from streams.services.host_listener import all_tenants
    from streams.settings import load_settings

    if topic not in (EVENTS, RESULTS):
        raise ConfigurationError(f"no shard reads {topic}: name {EVENTS} or {RESULTS}")
    if not yes:
        typer.confirm(f"Records of {topic}/{partition} are lost for good. Go on without them?", abort=True)

    async def repair() -> tuple[int, list[str]]:
        settings = load_settings()
        store, log = await PostgresStore.open(settings.postgres, 1), KafkaLog(settings.kafka)
        try:
            offset = await truncation.accept_loss(store, log, topic, partition)
            if topic != EVENTS:
                return offset, []
            everybody = all_tenants(settings.host_chain)
            tenants = [name for name in everybody if log.partition_of(EVENTS, name.encode()) == partition]
            return offset, commands_for(settings, tenants, await store.places(partition)) if tenants else []
        finally:
            await log.close()
            await store.close()

    offset, commands = asyncio.run(repair())
    left = truncation.consequence(topic)
    output.say(f"{topic}/{partition} goes on at offset {offset}; restart the graph service.{left}")
    for command in commands:
        output.say(command)


app.command(name="publish-again")(publish_again)
