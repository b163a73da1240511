"""The loop of every source: step after step, waiting while there is nothing, with patience after errors."""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from streams.adapters.telemetry.health import Health
from streams.domain.errors import BrokerError, ConfigurationError, KeyMissing, Recoverable
from streams.ports import Clock
from streams.services.runtime import Runtime

_WAIT_FIRST_S: Final = 0.2
_WAIT_MAX_S: Final = 10.0
_log = structlog.get_logger(__name__)

Step = Callable[[], Awaitable[int]]
Wait = Callable[[], Awaitable[object]]
Check = Callable[[], Awaitable[None]]


class Troubles:
    """What the sources of one process miss: a dependency works when it works for all of them."""

    def __init__(self, health: Health) -> None:
        self._health = health
        # both are told from the first word on: a dependency that nobody misses is healthy, not unknown
        self._of: dict[str, dict[str, str]] = {"kafka": {}, "blockchain": {}}

    def note(self, source: str, dependency: str, detail: str) -> None:
        """The source does without this dependency now, of all that it has."""
        self._of.setdefault(dependency, {})
        # one trouble per source: the last one
        self.clear(source)
        self._of[dependency][source] = detail
        self._tell()

    def clear(self, source: str) -> None:
        """The source has what it needs."""
        for sources in self._of.values():
            sources.pop(source, None)
        self._tell()

    def _tell(self) -> None:
        for dependency, sources in self._of.items():
            self._health.set(dependency, not sources, "; ".join(sources.values()))


async def repeat(
    runtime: Runtime, name: str, step: Step, wait: Wait, troubles: Troubles | None = None
) -> None:
    """Call `step` until the process is told to stop; `wait` when it had nothing to do.

    What is recoverable is repeated after a growing pause, without limit; anything else is raised. All sources
    of a process share their troubles.
    """
    troubles = troubles or Troubles(runtime.health)
    pause_s = _WAIT_FIRST_S
    while not runtime.stopping.is_set():
        try:
            done = await step()
        except Recoverable as error:
            troubles.note(name, _dependency(error), str(error))
            _count(runtime, name, error, pause_s)
            await runtime.idle(pause_s)
            pause_s = min(2 * pause_s, _WAIT_MAX_S)
            continue
        # a step that went well: what fails next is another matter
        pause_s = _WAIT_FIRST_S
        troubles.clear(name)
        if not done:
            await wait()


def _dependency(error: Recoverable) -> str:
    if isinstance(error, KeyMissing):
        return "keys"
    return "kafka" if isinstance(error, BrokerError) else "blockchain"


def _count(runtime: Runtime, name: str, error: Recoverable, pause_s: float) -> None:
    kind = type(error).__name__
    errors = runtime.metrics.counter("cipherstream_source_errors")
    errors.labels(name, kind).inc()
    _log.warning(str(error), action="step_failed", source=name, error=kind, pause_s=pause_s)


class Identified(Protocol):
    """A node that tells which chain it is on."""

    async def chain_id(self) -> int:
        """The chain; raises RpcError."""
        ...


async def require_chain(node: Identified, chain_id: int) -> None:
    """Raises ConfigurationError where the node is on another chain; RpcError."""
    found = await node.chain_id()
    if found != chain_id:
        raise ConfigurationError(f"the node for chain {chain_id} is on chain {found}: set its http_url")


def once_checked(node: Identified, chain_id: int, step: Step) -> Step:
    """The step, before whose first run the node is asked for its chain; raises ConfigurationError."""
    is_checked = False

    async def checked() -> int:
        nonlocal is_checked
        if not is_checked:
            await require_chain(node, chain_id)
            # Once: a node behind this address does not change its chain, and every step would cost a
            # question more.
            is_checked = True
        return await step()

    return checked


def watched(step: Step, check: Check, clock: Clock, every_s: float) -> Step:
    """The step, before which `check` runs at first and then every so many seconds; raises what it raises."""
    checked_s: float | None = None

    async def checked() -> int:
        nonlocal checked_s
        now_s = clock.monotonic_s()
        if checked_s is None or now_s - checked_s >= every_s:
            await check()
            checked_s = now_s
        return await step()

    return checked
