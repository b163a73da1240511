"""Service `graph`: starts exactly the Faust app of `streams.app`, in the process that the CLI made."""

import contextlib
from collections.abc import Generator

from aiokafka.errors import KafkaConnectionError

from streams.domain.errors import ConfigurationError
from streams.services.first import first_of
from streams.services.runtime import Runtime


async def run(runtime: Runtime) -> None:
    """Serve until told to stop; raises what ended the service."""
    from streams.app import app, process  # the app reads settings and belongs to this loop

    # before the app starts: it would make logs, metrics and health of its own otherwise
    process.adopt(runtime)
    # as a service of this loop: `faust worker` would take over signals and logging
    with _named(runtime.settings.kafka.bootstrap):
        await app.start()
    try:
        await first_of(runtime.stopping.wait(), process.failed.wait())
    finally:
        await app.stop()
    if process.failure is not None:
        raise process.failure


@contextlib.contextmanager
def _named(bootstrap: str) -> Generator[None]:
    # As it starts, Faust gives up when no broker answers, with an error of its client library.
    try:
        yield
    except KafkaConnectionError as error:
        raise ConfigurationError(
            f"no broker answers at {bootstrap}: start it, or name another one as kafka.bootstrap"
        ) from error
