"""What every service process has: settings, time, health, metrics, logs, and a graceful end.

A service is `async def run(runtime)`. It returns when `runtime.stopping` is set and what it had in its hands
is finished. The first SIGTERM or SIGINT sets `stopping`; after DRAIN_S, or on a second signal, the process
ends at once.
"""

import asyncio
import faulthandler
import os
import signal
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import structlog

from streams.adapters.system import SystemClock, SystemEntropy
from streams.adapters.telemetry import http, logs
from streams.adapters.telemetry.health import Health
from streams.adapters.telemetry.metrics import Metrics
from streams.adapters.telemetry.tracing import OFF, Tracing
from streams.domain.errors import Fatal
from streams.ports import Clock, Entropy
from streams.services import address
from streams.services.address import Address
from streams.settings import ServiceSettings, Settings, secrets_of

DRAIN_S: Final = 30.0
STATE_VARIABLE: Final = "CIPHERSTREAM_STATE"  # folder in which a process leaves its pid and port
PROCESS_VARIABLE: Final = "CIPHERSTREAM_PROCESS"  # its name there, where a service runs more than once

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The surroundings of one service."""

    name: str
    settings: Settings
    clock: Clock = field(default_factory=SystemClock)
    entropy: Entropy = field(default_factory=SystemEntropy)
    health: Health = field(default_factory=Health)
    metrics: Metrics = field(default_factory=Metrics)
    tracing: Tracing = OFF
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def idle(self, seconds: float) -> bool:
        """Wait that long, or less when the process is told to stop; True means stop."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return False
        return True


Service = Callable[[Runtime], Awaitable[None]]


def serve(name: str, run: Service, settings: Settings) -> int:
    """Run a service to its end; gives the exit code: 0 after a graceful stop, 1 otherwise."""
    logs.configure(name, settings.service.log_level)
    # SIGSEGV and its like leave no exception: the stacks of all threads go to stderr, names of code only.
    faulthandler.enable()
    for secret in secrets_of(settings):
        logs.hide(secret)
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            return runner.run(_supervise(name, run, settings))
    except Exception as error:
        fatal = _fatal(error)
        if fatal is None:
            # A Fatal says what to do in its message; anything else is a defect, and its trace is what
            # helps.
            _log.critical("unexpected error", action="crash", exc_info=True)
        else:
            _log.critical(str(fatal), action="fatal", error=type(fatal).__name__)
    return 1


def _fatal(error: BaseException) -> Fatal | None:
    """The Fatal that a service ended with, also out of its task group."""
    if isinstance(error, BaseExceptionGroup):
        errors = cast(tuple[BaseException, ...], error.exceptions)
        return next(filter(None, map(_fatal, errors)), None)
    return error if isinstance(error, Fatal) else None


def give_threads(service: ServiceSettings) -> None:
    """Give the running loop its threads for calls that block."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(service.tokio_threads, "io"))


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # not every platform has it
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def surroundings(name: str, settings: Settings) -> Runtime:
    """The surroundings of a service, with spans to a collector where the settings name one."""
    metrics, clock = Metrics(), SystemClock()
    if not settings.tracing.endpoint:
        return Runtime(name=name, settings=settings, metrics=metrics, clock=clock)
    from streams.adapters.telemetry.otlp import OtlpSpans

    tracing = Tracing(clock, OtlpSpans(name, settings.tracing, metrics))
    return Runtime(name=name, settings=settings, metrics=metrics, clock=clock, tracing=tracing)


async def _supervise(name: str, run: Service, settings: Settings) -> int:
    runtime = surroundings(name, settings)
    try:
        return await _served(name, run, runtime)
    finally:
        runtime.tracing.close()


async def _served(name: str, run: Service, runtime: Runtime) -> int:
    _end_on_signals(runtime)
    service = runtime.settings.service
    give_threads(service)
    app = http.application(name, runtime.health, runtime.metrics)
    async with http.listening(app, service.http_host, service.http_port) as port:
        _leave_address(name, port)
        _log.info("service started", action="start", http_port=port, pid=os.getpid())
        return await _drained(runtime, run)


async def _drained(runtime: Runtime, run: Service) -> int:
    # The service is not cancelled at a signal: it finishes what it has in its hands, and DRAIN_S bounds
    # that.
    work = asyncio.ensure_future(run(runtime))
    stop = asyncio.create_task(runtime.stopping.wait())
    await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    done, _ = await asyncio.wait((work,), timeout=DRAIN_S)
    if not done:
        _log.error("work is left after the drain deadline", action="drain_expired", seconds=DRAIN_S)
        work.cancel()
        await asyncio.wait((work,), timeout=1.0)
        return 1
    work.result()
    _log.info("service stopped", action="stop")
    return 0


def _end_on_signals(runtime: Runtime) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if runtime.stopping.is_set():
            # a second signal: somebody does not want to wait, and every service may be killed at any moment
            os._exit(1)
        _log.info("told to stop", action="stopping")
        runtime.stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


def _leave_address(service: str, port: int) -> None:
    state = os.environ.get(STATE_VARIABLE)
    if not state:
        return
    name = os.environ.get(PROCESS_VARIABLE, service)
    address.leave(Path(state), name, Address(pid=os.getpid(), http_port=port))
