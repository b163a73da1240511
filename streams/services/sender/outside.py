"""Whether node and database are there: asked before the first call, and from then on every few seconds."""

from typing import Final, Protocol

import structlog

from streams.adapters.ethereum import abi
from streams.adapters.ethereum.releases import require_spoken
from streams.adapters.telemetry.health import Health
from streams.domain.errors import ConfigurationError, RpcError, StoreError
from streams.ports import Clock
from streams.settings import GatewaySettings

LOOK_S: Final = 5.0
_log = structlog.get_logger(__name__)


class Node(Protocol):
    """A node that tells which chain it is on, and of which release its contracts are."""

    async def chain_id(self) -> int:
        """The chain; raises RpcError."""
        ...

    async def view(self, address: bytes, called: abi.Function, *arguments: object) -> tuple[object, ...]:
        """Result of a view at the head; raises RpcError."""
        ...


class Table(Protocol):
    """The sender's table."""

    async def check(self) -> None:
        """Raises StoreError when it is away, ConfigurationError when it is not there."""
        ...


class Outside:
    """Tells in the health report what the sender depends on."""

    def __init__(self, node: Node, table: Table, gateway: GatewaySettings, health: Health) -> None:
        self._node, self._table = node, table
        self._gateway = gateway
        self._health = health

    async def look(self) -> bool:
        """Whether both are there now.

        Raises:
            ConfigurationError: the node is of another chain, or the schema lacks a migration.
            ForeignRelease: the gateway's contracts are of another release.
        """
        # both are asked, so that the health report names all that is away
        has_table = await self._has_table()
        return await self._has_node() and has_table

    async def watch(self, clock: Clock) -> None:
        """Look for ever; raises ConfigurationError, ForeignRelease."""
        while True:
            await clock.sleep(LOOK_S)
            await self.look()

    async def _has_table(self) -> bool:
        try:
            await self._table.check()
        except StoreError as error:
            return self._tell("database", error)
        return self._tell("database")

    async def _has_node(self) -> bool:
        try:
            found = await self._node.chain_id()
            if found != self._gateway.chain_id:
                raise ConfigurationError(
                    f"gateway.http_url is a node of chain {found}, "
                    f"gateway.chain_id is {self._gateway.chain_id}"
                )
            await require_spoken(self._node, self._gateway)
        except RpcError as error:
            return self._tell("blockchain", error)
        return self._tell("blockchain")

    def _tell(self, dependency: str, error: Exception | None = None) -> bool:
        self._health.set(dependency, error is None, str(error or ""))
        if error is not None:
            _log.warning(str(error), action="dependency_awaited", dependency=dependency)
        return error is None
