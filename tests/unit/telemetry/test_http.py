import socket

import httpx
import pytest

import streams
from streams.adapters.telemetry import http
from streams.adapters.telemetry.health import Health
from streams.adapters.telemetry.metrics import Metrics
from streams.domain.errors import ConfigurationError


async def test_the_four_routes_answer() -> None:
    health, metrics = Health(), Metrics()
    app = http.application("sns-worker", health, metrics)
    async with http.listening(app, "127.0.0.1", 0) as port, httpx.AsyncClient() as client:
        at = f"http://127.0.0.1:{port}"
        assert (await client.get(f"{at}/liveness")).json()["status"] == "alive"
        assert (await client.get(f"{at}/version")).json() == {
            "name": "sns-worker",
            "version": streams.__version__,
        }
        assert "cipherstream_busy 0.0" in (await client.get(f"{at}/metrics")).text
        assert (await client.get(f"{at}/healthz")).status_code == 200
        health.set("object_store", False, "403")
        answer = await client.get(f"{at}/healthz")
    assert answer.status_code == 503
    assert answer.json() == {
        "status_code": 503,
        "status": "unhealthy",
        "dependencies": {"object_store": "fail"},
        "details": {"object_store": "403"},
    }


async def test_a_taken_port_is_named() -> None:
    app = http.application("api", Health(), Metrics())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=str(port)):
            async with http.listening(app, "127.0.0.1", port):
                pass
