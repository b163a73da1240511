"""Under `faust worker` the graph service makes its own surroundings."""

import io
import json
import sys
from collections.abc import Callable
from typing import Any, cast

import pytest
import structlog

from streams.services.graph.host import Host
from streams.services.graph.process import Process
from streams.services.runtime import Runtime
from streams.settings import Settings

_log = structlog.get_logger(__name__)


class TalkativeHost:
    """Says on its start what it connects with, as the error of a library might."""

    async def start(self, runtime: Runtime, on_failure: Callable[[BaseException], None]) -> None:
        del on_failure
        url = runtime.settings.postgres.url.get_secret_value()
        _log.warning(f"cannot connect: password={url.split(':')[2].split('@')[0]}", action="connect")

    async def stop(self) -> None:
        return


async def test_what_it_logs_hides_the_secrets_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIPHERSTREAM_POSTGRES__URL", "postgresql://me:correct-horse@db/x")
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "__stderr__", stderr)
    process = Process(app=None, host=cast(Host, TalkativeHost()), settings=Settings())
    await process.start()
    await process.stop()
    lines: list[dict[str, Any]] = [json.loads(line) for line in stderr.getvalue().splitlines()]
    events = {line["action"]: line["event"] for line in lines}
    assert events == {"start": "service started", "connect": "cannot connect: password=**********"}
