"""The services of the demonstration as processes below the devnet, and what they say about themselves."""

import asyncio
import re
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import httpx
import structlog

from streams.devnet.demo.kill import Prove, kill_busy
from streams.devnet.state import State
from streams.devnet.supervisor import Supervisor
from streams.domain.errors import Fatal
from streams.services import address
from streams.services.address import Address

READY_TIMEOUT_S: Final = 90.0
_ANSWER_S: Final = 5.0
_OK: Final = 200

_log = structlog.get_logger(__name__)


class Fleet:
    """Starts, watches and kills the services of one operator."""

    def __init__(
        self, state: State, http: httpx.AsyncClient, devnet: Path | None = None, prefix: str = ""
    ) -> None:
        """Args: devnet: folder of the devnet, where it is not the operator's; prefix: of its processes."""
        self._state = state
        self._prefix = prefix
        self._supervisor = Supervisor(devnet or state.root)
        self._http = http
        self._services: dict[str, str] = {}  # process → service

    @property
    def names(self) -> tuple[str, ...]:
        """Processes that were started."""
        return tuple(self._services)

    def launch(self, services: Iterable[str]) -> None:
        """Start processes; whether they are healthy is to be waited for."""
        for service in services:
            name = self._prefix + service
            self._services[name] = service
            self._spawn(name)

    async def until_all_healthy(self, names: Iterable[str]) -> None:
        """Wait for several; raises ChildDied, NotReady."""
        await asyncio.gather(*map(self.until_healthy, names))

    async def until_healthy(self, name: str) -> None:
        """Wait for a service; raises ChildDied at once when it ends, NotReady after the timeout."""
        await self._supervisor.until(name, lambda: self._is_healthy(name), READY_TIMEOUT_S)

    def require_alive(self) -> None:
        """Raises Fatal with the end of the log of a service that died by itself."""
        for name in self._services:
            if not self._supervisor.alive(name):
                raise Fatal(f"{name} died\n{self._supervisor.log_tail(name)}")

    async def kill_while_busy(self, name: str, prove: Prove) -> None:
        """SIGKILL a service with work in its hands, and start it again.

        Raises: IdleKill when it could not be shown to have any.
        """
        await kill_busy(self._supervisor, name, prove)
        _log.info("killed while busy", action="demo_kill", service=name)
        await self._supervisor.wait(name)
        self._spawn(name)
        await self.until_healthy(name)

    async def metric(self, name: str, metric: str) -> float:
        """What a process says of a metric, over all labels; 0 while it has not told where it answers."""
        found = self._address(name)
        if found is None:
            return 0
        response = await self._http.get(f"http://127.0.0.1:{found.http_port}/metrics", timeout=_ANSWER_S)
        return sample(response.text, metric)

    async def stop(self) -> None:
        """Stop all services gracefully."""
        await self._supervisor.stop(self._services)

    async def end(self, service: str) -> None:
        """Stop one service gracefully; it is not expected to be alive until it is launched again."""
        name = self._prefix + service
        del self._services[name]
        await self._supervisor.stop([name])

    async def kill(self) -> None:
        """SIGKILL all services at once; none is expected to be alive."""
        names = self.names
        self._services.clear()
        for name in names:
            self._supervisor.kill(name, signal.SIGKILL)
        await asyncio.gather(*map(self._supervisor.wait, names))

    def _spawn(self, name: str) -> None:
        argv = (sys.executable, "-m", "streams.cli", "run", self._services[name])
        environment = {
            "CIPHERSTREAM_CONFIG": str(self._state.settings_file.resolve()),
            "CIPHERSTREAM_STATE": str(self._state.root.resolve()),
            "CIPHERSTREAM_PROCESS": name,
        }
        self._supervisor.spawn(name, argv, environment)

    async def _is_healthy(self, name: str) -> bool:
        found = self._address(name)
        if found is None:
            return False
        response = await self._http.get(f"http://127.0.0.1:{found.http_port}/healthz", timeout=_ANSWER_S)
        return response.status_code == _OK

    def _address(self, name: str) -> Address | None:
        """Where this process answers; None until it has said so itself."""
        process = self._supervisor.process(name)
        try:
            found = address.read(self._state.root, name)
        except FileNotFoundError:
            return None
        return found if process is not None and found.pid == process.pid else None


def sample(exposition: str, name: str) -> float:
    """The sum over all labels of a metric in the exposition format; 0 where it has no sample."""
    lines = re.findall(rf"^{re.escape(name)}(?:\{{[^}}]*\}})? (\S+)$", exposition, re.MULTILINE)
    return sum(map(float, lines))
