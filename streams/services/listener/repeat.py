"""The loop of every source: step after step, waiting while there is nothing, with patience after errors."""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from streams.domain.errors import BrokerError, CipherstreamError, ConfigurationError, Recoverable
from streams.services.runtime import Runtime

_WAIT_FIRST_S: Final = 0.2
_WAIT_MAX_S: Final = 10.0
_log = structlog.get_logger(__name__)

Step = Callable[[], Awaitable[int]]
Wait = Callable[[], Awaitable[object]]


async def repeat(runtime: Runtime, name: str, step: Step, wait: Wait) -> None:
    """Call `step` until the process is told to stop; `wait` when it had nothing to do.

    What is recoverable is repeated after a growing pause, without limit; anything else is raised.
    """
    pause_s = _WAIT_FIRST_S
    while not runtime.stopping.is_set():
        try:
            done = await step()
        except Recoverable as error:
            _tell(runtime, name, error, pause_s)
            await runtime.idle(pause_s)
            pause_s = min(2 * pause_s, _WAIT_MAX_S)
            continue
        pause_s = _WAIT_FIRST_S
        for dependency in ("kafka", "blockchain"):
            runtime.health.set(dependency, True)
        if not done:
            await wait()


def _tell(runtime: Runtime, name: str, error: CipherstreamError, pause_s: float) -> None:
    dependency = "kafka" if isinstance(error, BrokerError) else "blockchain"
    runtime.health.set(dependency, False, str(error))
    kind = type(error).__name__
    errors = runtime.metrics.counter("cipherstream_source_errors", "Steps to repeat.", ("source", "error"))
    errors.labels(name, kind).inc()
    _log.warning(str(error), action="step_failed", source=name, error=kind, pause_s=pause_s)


class Identified(Protocol):
    """A node that tells which chain it is on."""

    async def chain_id(self) -> int:
        """The chain; raises RpcError."""
        ...


def once_checked(node: Identified, chain_id: int, step: Step) -> Step:
    """The step, before whose first run the node is asked for its chain; raises ConfigurationError."""
    is_checked = False

    async def checked() -> int:
        nonlocal is_checked
        if not is_checked:
            found = await node.chain_id()
            if found != chain_id:
                raise ConfigurationError(f"the node for chain {chain_id} is on chain {found}")
            is_checked = True
        return await step()

    return checked
