"""`run SERVICE` and `up`: the services as processes."""

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from streams.commands import output
from streams.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from streams.settings import KafkaSettings

# The command names that operators know; a service is offered once its module exists.
_MODULES: Final = {
    "host-listener": "streams.services.host_listener",
    "gw-listener": "streams.services.gw_listener",
    "graph": "streams.services.graph_service",
    "tfhe-worker": "streams.services.tfhe_worker",
    "zkproof-worker": "streams.services.zkproof_worker",
    "sns-worker": "streams.services.sns_worker",
    "transaction-sender": "streams.services.transaction_sender",
}


def available() -> tuple[str, ...]:
    """The services that this version has."""
    return tuple(name for name, module in _MODULES.items() if importlib.util.find_spec(module))


def run(service: Annotated[str, typer.Argument(help="One of: " + ", ".join(available()))]) -> None:
    """Run one service until it is told to stop."""
    if service not in available():
        raise ConfigurationError(f"there is no service {service}; there are {', '.join(available())}")
    from streams.services import runtime
    from streams.settings import load_settings

    settings = load_settings()
    module = importlib.import_module(_MODULES[service])
    raise typer.Exit(runtime.serve(service, module.run, settings))


def up(
    state: Annotated[Path, typer.Option(help="Where pids, ports and logs of the processes are kept.")] = Path(
        ".cipherstream/services"
    ),
    tfhe_workers: Annotated[int, typer.Option(min=1, help="How many tfhe-workers.")] = 1,
) -> None:
    """Run every service as a child process, restarting those that die, until told to stop."""
    import asyncio

    from streams.adapters.telemetry import logs
    from streams.services import fleet
    from streams.settings import load_settings

    settings = load_settings()
    logs.configure("up", settings.service.log_level)
    require_topics(settings.kafka)
    members = {name: service_argv(name) for name in available()}
    for number in range(2, tfhe_workers + 1):
        members[f"tfhe-worker-{number}"] = service_argv("tfhe-worker")
    raise typer.Exit(asyncio.run(fleet.keep(state, members, service_id=settings.service.id)))


def require_topics(kafka: "KafkaSettings") -> None:
    """Refuse topics of another shape than declared; a broker that is away is waited for by the services.

    Raises: ConfigurationError that names what lacks and the command that helps.
    """
    from streams.adapters.kafka import declaration, topics
    from streams.domain.errors import BrokerError

    try:
        topics.require_topics(topics.connect(kafka), declaration.load().topics, kafka.prefix)
    except BrokerError as error:
        output.say(f"{error}; the services wait for the broker")


def service_argv(service: str) -> tuple[str, ...]:
    """The command line of a service's process in this environment."""
    return (sys.executable, "-m", "streams.cli", "run", service)
