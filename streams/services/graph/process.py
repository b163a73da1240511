"""The surroundings of the Faust app: those of `cipherstream run graph`, or its own under `faust worker`."""

import asyncio
import contextlib
import logging
import sys
from typing import Any

import structlog

from streams.adapters.telemetry import http, logs
from streams.services.graph.host import Host
from streams.services.runtime import Runtime, give_threads, surroundings
from streams.settings import Settings, secrets_of

_log = structlog.get_logger(__name__)
NAME = "graph"


class Process:
    """Starts and stops the graph service with the Faust app."""

    def __init__(self, app: Any, host: Host, settings: Settings) -> None:
        self._app = app
        self._host = host
        self._settings = settings
        self._stack = contextlib.AsyncExitStack()
        self._runtime: Runtime | None = None
        self.failure: BaseException | None = None
        self.failed = asyncio.Event()
        self._crash: asyncio.Future[None] | None = None

    def adopt(self, runtime: Runtime) -> None:
        """Use the surroundings that the process has already."""
        self._runtime = runtime

    async def start(self) -> None:
        """Connect and serve; raises ConfigurationError."""
        runtime = self._runtime or await self._own_runtime()
        try:
            await self._host.start(runtime, self._fail)
        except Exception as error:
            # told and not raised: whoever runs the app ends it, with this reason
            self._fail(error)

    async def stop(self) -> None:
        """End the owners, close connections and the side door."""
        await self._host.stop()
        await self._stack.aclose()

    async def _own_runtime(self) -> Runtime:
        """Under `faust worker`: logs, metrics and health of our own."""
        runtime = surroundings(NAME, self._settings)
        self._stack.callback(runtime.tracing.close)
        service = self._settings.service
        give_threads(service)
        # Faust's worker puts a logger in the place of sys.stderr, which would swallow our lines.
        logs.configure(NAME, service.log_level, sys.__stderr__)
        for secret in secrets_of(self._settings):
            logs.hide(secret)
        _enable_loggers()
        routes = http.application(NAME, runtime.health, runtime.metrics)
        port = await self._stack.enter_async_context(
            http.listening(routes, service.http_host, service.http_port)
        )
        _log.info("service started", action="start", http_port=port)
        return runtime

    def _fail(self, error: BaseException) -> None:
        self.failure = error
        self.failed.set()
        if self._runtime is None:  # `faust worker`: its own way to end with an error
            _log.critical(str(error), action="fatal", error=type(error).__name__)
            self._crash = asyncio.ensure_future(self._app.crash(error))


def _enable_loggers() -> None:
    """Faust's own configuration of logging silences every logger that was there before it."""
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False
