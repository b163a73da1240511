"""One listener of one host chain: reads its position from the log, then publishes block after block.

Steps of a block, with what a crash after each leaves:
1. read it with its logs           nothing (`listener.read`)
2. append its record or parts      at worst a cut sequence of parts, which does not count
3. wait for the acknowledgement    the log has it or not: the next start reads the log (`listener.produced`)
4. remember it in the window       the log has it, and the next start knows (`listener.acknowledged`)
After a delivery error the window is forgotten and read back before the next block.
"""

from typing import Final

import msgspec
import structlog

from streams.adapters.telemetry.health import Health
from streams.adapters.telemetry.metrics import Metrics
from streams.adapters.telemetry.tracing import OFF, Tracing
from streams.domain import facts
from streams.domain.errors import BrokerError, RpcError
from streams.ports import Clock, Log
from streams.services.crashpoints import crashpoint
from streams.services.listener.audit import Audit
from streams.services.listener.follower import BLOCKS_AT_ONCE, Chain, Window, connected, fact_of, next_blocks
from streams.services.listener.key_facts import tell
from streams.services.listener.publish import Publisher
from streams.services.listener.reading import LogReader
from streams.services.listener.unknown_events import UnknownEvents
from streams.settings import HostChainSettings

_WINDOW_BLOCKS: Final = 256  # remembered at least
_log = structlog.get_logger(__name__)


def tenant_of(host: HostChainSettings) -> str:
    """The tenant of a configured host chain."""
    return facts.host_tenant(host.id, _raw(host.acl_address))


def contracts_of(host: HostChainSettings) -> tuple[bytes, ...]:
    """Contracts whose logs are facts."""
    named = (host.acl_address, host.executor_address, host.kms_generation_address, host.bridge_address)
    return tuple(_raw(address) for address in named if address is not None)


class HostFollower:
    """A chain's blocks onto its tenant's log; any number of them may run for one chain."""

    def __init__(
        self,
        chain: Chain,
        log: Log,
        host: HostChainSettings,
        clock: Clock,
        metrics: Metrics,
        tracing: Tracing = OFF,
        health: Health | None = None,
    ) -> None:
        self.tenant = tenant_of(host)
        self._chain = chain
        self._log = log
        self._host = host
        self._reader = LogReader(chain, contracts_of(host), BLOCKS_AT_ONCE)
        # several times the deepest reorganisation, so that the common block is always in the window
        self._depth = max(_WINDOW_BLOCKS, 4 * host.reorg_depth_max)
        self._busy = metrics.busy
        self._blocks = metrics.counter("host_poller_blocks_processed").labels(host.id)
        self._rpc_errors = metrics.counter("host_poller_rpc_errors").labels(host.id)
        self._log_errors = metrics.counter("host_poller_db_errors").labels(host.id)
        self._unknown_events = UnknownEvents(
            host.id, _raw(host.executor_address), metrics, health or Health()
        )
        self._tracing = tracing
        self._publisher = Publisher(log, "listener", tracing)
        self._audit = Audit(log, self.tenant, clock, self._header, lambda block: block.anchor, _follows)
        self._known: list[facts.HostBlock] = []  # at the last audit
        self._has_keys = False
        self._window: Window | None = None

    async def step(self) -> int:
        """Publish the next blocks, how many; none when the log has the chain's head.

        Raises: BrokerError, RpcError, Moved, Behind, after which it is to be called again; TooDeep.
        """
        with self._rpc_errors.count_exceptions(RpcError), self._log_errors.count_exceptions(BrokerError):
            return await self._step()

    async def _step(self) -> int:
        window = await self._fresh_window()
        host = self._host
        headers = await next_blocks(self._chain, window, host.start_block, host.reorg_depth_max)
        self._log_reorganisation(window, headers[0].parent_hash if headers else b"")
        together = await self._reader.of_blocks(headers)
        for header in headers:
            logs = await self._reader.of_block(header, together.get(header.hash))
            block = fact_of(header, host.id, logs, anchor=window.begins_with(header))
            crashpoint("listener.read")
            # acknowledged before the next one: the log's order is the chain's
            await self._publish(block)
            self._unknown_events.look(block.logs)
            window.add(block.number, block.hash, block.parent_hash, anchor=block.anchor)
        return len(headers)

    async def _publish(self, block: facts.HostBlock) -> None:
        try:
            with self._busy.track_inprogress():
                event_id = facts.host_event_id(block.chain_id, block.hash)
                await self._publisher.publish(self.tenant, block, event_id)
        except BaseException:
            self._window = None  # what is in the log is unknown now
            raise
        self._audit.published()
        self._blocks.inc()

    async def _fresh_window(self) -> Window:
        if self._window is None or self._audit.is_due:
            self._window = await self._read_window()
            self._audit.done()
        return self._window

    async def _read_window(self) -> Window:
        blocks = await self._read_blocks()
        if not self._has_keys:
            # Also what other chains' listeners announced before this tenant was; it comes before the anchor.
            await tell(self._log, [self.tenant], self._tracing)
            self._has_keys = True
        window = Window(self._depth)
        for block in blocks:
            window.add(block.number, block.hash, block.parent_hash, anchor=block.anchor)
        tip = window.tip.number if window.tip else None
        _log.info("position read", action="position", tenant=self.tenant, tip=tip, blocks=len(window))
        return window

    async def _read_blocks(self) -> list[facts.HostBlock]:
        found, goes_on = await self._audit.read(2 * self._depth)
        blocks = connected([block for _, block in found], self._known if goes_on else [])
        tip = blocks[-1].hash if blocks else b""
        self._audit.mark(found, lambda block: block.hash == tip)
        self._known = blocks[-2 * self._depth :]
        return blocks

    def _header(self, fact: facts.Fact) -> facts.HostBlock | None:
        if not isinstance(fact, facts.HostBlock) or fact.chain_id != self._host.id:
            return None
        return msgspec.structs.replace(fact, logs=())

    def _log_reorganisation(self, window: Window, parent_hash: bytes) -> None:
        if window.tip is None or not parent_hash or parent_hash == window.tip.hash:
            return
        _log.warning(
            "the chain left its branch", action="reorganisation", tenant=self.tenant, tip=window.tip.number
        )


def _follows(older: facts.HostBlock, newer: facts.HostBlock) -> bool:
    return older.hash == newer.parent_hash


def _raw(address: str) -> bytes:
    return bytes.fromhex(address.removeprefix("0x"))
