"""The HTTP side door of a service: `/healthz`, `/liveness`, `/version`, `/metrics`."""

import contextlib
from collections.abc import AsyncGenerator

import msgspec
from aiohttp import web

import streams
from streams.adapters.telemetry.health import Health
from streams.adapters.telemetry.metrics import Metrics
from streams.domain.errors import ConfigurationError


def application(name: str, health: Health, metrics: Metrics) -> web.Application:
    """The four routes over a service's health and metrics."""

    async def healthz(request: web.Request) -> web.Response:
        del request
        report = health.snapshot()
        return _json(report, report.status_code)

    async def liveness(request: web.Request) -> web.Response:
        del request
        return _json({"status_code": 200, "status": "alive"})

    async def version(request: web.Request) -> web.Response:
        del request
        return _json({"name": name, "version": streams.__version__})

    async def exposition(request: web.Request) -> web.Response:
        del request
        return web.Response(body=metrics.text(), content_type="text/plain", charset="utf-8")

    app = web.Application()
    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/liveness", liveness),
            web.get("/version", version),
            web.get("/metrics", exposition),
        ]
    )
    return app


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


@contextlib.asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncGenerator[int]:
    """Serve while the context is open; gives the port, a free one where 0 was asked for.

    Raises: ConfigurationError when the port is taken.
    """
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await _start(web.TCPSite(runner, host, port), port)
        yield _port(runner, port)
    finally:
        await runner.cleanup()


async def _start(site: web.TCPSite, port: int) -> None:
    try:
        await site.start()
    except OSError as error:
        raise ConfigurationError(f"cannot listen on port {port}: {error.strerror}") from error


def _port(runner: web.AppRunner, asked: int) -> int:
    for address in runner.addresses:
        return int(address[1])
    return asked
