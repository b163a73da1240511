"""The gateway's events as contiguous ranges, one sequence per tenant.

Steps of a range, with what a crash after each leaves:
1. read its logs, and its last block before and after   nothing (`gateway.read`)
2. append it, wait for the acknowledgement               the log has it or not (`gateway.produced`)
3. move the tenant's cursor                              the log has it (`gateway.acknowledged`)
The next start reads each tenant's position from its log. After a reorganisation a tenant goes back to the
last common end, and its next range ends exactly where an orphaned one did: readers know a reorganisation by
a known number with another hash. Where it took the very block above which a tenant begins, the next range
begins a block lower, which nobody knows yet, and ends there.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec
import structlog

from streams.adapters.ethereum.chain import Head
from streams.adapters.telemetry.metrics import Metrics
from streams.adapters.telemetry.tracing import OFF, Tracing
from streams.domain.facts import GatewayLog, GatewayRange, gateway_event_id
from streams.domain.facts import Log as ChainLog
from streams.ports import Clock, Log
from streams.services.crashpoints import crashpoint
from streams.services.listener.follower import Behind, TooDeep
from streams.services.listener.gateway_ends import End, Ends, start_of
from streams.services.listener.gateway_metrics import AnswerMetrics, RequestMetrics
from streams.services.listener.gateway_routes import Router
from streams.services.listener.publish import Publisher, bounded
from streams.services.listener.reading import LogReader, LogSource, Moved, linked
from streams.settings import GatewaySettings

BLOCKS_MAX: Final = 100  # of one range
EVENTS_MAX: Final = 255  # of one range, unless one block has more
# Of one range, unless one block has more: far below FACT_WHOLE_BYTES_MAX, also in base64.
RANGE_BYTES_MAX: Final = 8 * 1024 * 1024
QUIET_S: Final = 1.0  # between two empty ranges of a tenant
_log = structlog.get_logger(__name__)


class GatewayChain(LogSource, Protocol):
    """What the listener asks of the gateway's node; raises RpcError."""

    async def head(self) -> Head:
        """The newest block."""
        ...

    async def block(self, number: int) -> Head | None:
        """The block of the node's present branch with this number."""
        ...

    async def blocks(self, numbers: Sequence[int]) -> list[Head | None]:
        """Blocks of the node's present branch."""
        ...


class _Cursor(msgspec.Struct):
    """Where a tenant stands."""

    tenant: str
    at: End
    orphaned: int | None = None  # number at which the next range has to end
    published_s: float = -QUIET_S


class _Reading(msgspec.Struct, frozen=True):
    """Logs of connected blocks up to `to`, with the tenants that hear of each."""

    ends: dict[int, End]  # its blocks, and the one that it begins above
    to: End
    logs: tuple[tuple[GatewayLog, tuple[str, ...]], ...]


def contracts_of(gateway: GatewaySettings) -> tuple[bytes, ...]:
    """Contracts whose logs are facts."""
    named = (
        gateway.input_verification_address,
        gateway.ciphertext_commits_address,
        gateway.gateway_config_address,
        gateway.multichain_acl_address,
    )
    return tuple(bytes.fromhex(address.removeprefix("0x")) for address in named if address is not None)


class GatewayFollower:
    """One listener of the gateway for all tenants; any number of them may run."""

    def __init__(
        self,
        chain: GatewayChain,
        log: Log,
        gateway: GatewaySettings,
        router: Router,
        clock: Clock,
        metrics: Metrics,
        tracing: Tracing = OFF,
    ) -> None:
        self._chain = chain
        self._gateway = gateway
        self._router = router
        self._clock = clock
        self._publisher = Publisher(log, "gateway", tracing)
        self._reader = LogReader(chain, contracts_of(gateway), BLOCKS_MAX)
        self._cursors: dict[str, _Cursor] = {}
        self._ends = {tenant: Ends(log, tenant, gateway, clock) for tenant in router.everybody}
        self._busy = metrics.busy
        self._asked = AnswerMetrics(metrics)
        self._ranges = metrics.counter("cipherstream_gateway_ranges")
        self._requests = RequestMetrics(metrics)

    @property
    def places(self) -> dict[str, int]:
        """Number of the block up to which each tenant was told."""
        return {tenant: cursor.at.number for tenant, cursor in self._cursors.items()}

    async def begin_at(self, number: int) -> None:
        """Tell every tenant all from this block on, whatever its log has.

        Raises: RpcError; Moved where the node has not come there, and by later steps when its branch changes.
        """
        at = await self._end_at(max(0, number - 1))
        self._cursors = {tenant: _Cursor(tenant, at) for tenant in self._router.everybody}
        self._publisher.is_again = True

    async def step(self) -> int:
        """Publish what is new; zero when there is nothing more to read now.

        Raises: BrokerError, RpcError, Moved, Behind, after which it is to be called again; TooDeep.
        """
        for tenant in self._router.everybody:
            await self._place(tenant)
        with self._asked.head():
            head = await self._chain.head()
        groups = await self._read_groups(head)
        if not groups:
            return 0
        crashpoint("gateway.read")
        # After reading and before publishing: logs of a branch that was left meanwhile must not get into a
        # log.
        await self._require_branch()
        for reading, cursors in groups:
            for cursor in cursors:
                # one after the other: a tenant's ranges are acknowledged in order, and a delivery error
                # stops the step
                await self._publish_next(cursor, reading)
        return int(any(reading.to.number < head.number for reading, _ in groups))

    async def _read_groups(self, head: Head) -> list[tuple[_Reading, list[_Cursor]]]:
        """Readings up to the head, each with the tenants that it brings forward.

        A tenant that catches up must hold up no other one, so who stands above its reading gets another.
        """
        waiting: list[_Cursor] = [c for c in self._cursors.values() if c.at.number < head.number]
        groups: list[tuple[_Reading, list[_Cursor]]] = []
        while waiting:
            reading = await self._read(min(cursor.at.number for cursor in waiting), head)
            forward = [c for c in waiting if c.at.number < reading.to.number]
            # A node may be several behind one address: what was read has to go on where the log ends.
            if any(reading.ends[c.at.number].hash != c.at.hash for c in forward):
                raise Moved
            groups.append((reading, forward))
            waiting = [c for c in waiting if c.at.number >= reading.to.number]
        return groups

    async def _require_branch(self) -> None:
        """The logs were read above the cursors' ends: raises Moved where the node has left one since."""
        cursors = tuple(self._cursors.values())
        blocks = await self._chain.blocks([cursor.at.number for cursor in cursors])
        pairs = zip(cursors, blocks, strict=True)
        if any(block is None or block.hash != cursor.at.hash for cursor, block in pairs):
            raise Moved

    async def _place(self, tenant: str) -> None:
        """Make sure that the tenant's cursor is on the node's branch."""
        cursor, audit = self._cursors.get(tenant), self._ends[tenant].audit
        if self._publisher.is_again:
            return  # until the branch changes, which `_require_branch` sees
        if cursor is not None and not audit.is_due and await self._is_canonical(cursor.at):
            return
        ends = await self._ends[tenant].read() or [await self._end_at(start_of(self._gateway))]
        # Not only the newest end: another listener may have gone on above an end that is orphaned now.
        blocks = await self._chain.blocks([end.number for end in ends])
        pairs = zip(ends, blocks, strict=True)
        lost = (at for at, (end, block) in enumerate(pairs) if block is None or block.hash != end.hash)
        common = next(lost, len(ends))
        # The node is behind our first range: that is not a reorganisation, and it may catch up.
        if not common and blocks[0] is None:
            raise Behind(
                f"the gateway's node has not come to {ends[0].number}, where the log of {tenant} begins"
            )
        at = ends[common - 1] if common else await self._below(tenant, ends)
        orphaned = ends[common].number if common < len(ends) else None
        if orphaned is not None:
            action = "node_behind" if blocks[common] is None else "reorganisation"
            _log.warning("the gateway has another end", action=action, tenant=tenant, end=orphaned)
        published_s = -QUIET_S if cursor is None else cursor.published_s
        self._cursors[tenant] = _Cursor(tenant, at, orphaned, published_s)
        audit.done()

    async def _below(self, tenant: str, ends: Sequence[End]) -> End:
        """Where a tenant begins whose beginning the gateway left; raises TooDeep where it is not known."""
        ranges_max, first = self._gateway.reorg_ranges_max, ends[0].number
        if len(ends) > ranges_max:
            raise TooDeep(
                f"the gateway has none of the last {len(ends)} ends of ranges of {tenant} on its branch;"
                " check the node; if the branch is the true one, raise gateway.reorg_ranges_max"
            )
        # Whoever reads a log without its beginning knows older ends, which no range from here would reach.
        if first > start_of(self._gateway):
            raise TooDeep(
                f"the gateway has none of the ends of ranges of {tenant} on its branch, and the log begins at"
                f" {first} only; check the node; if the branch is the true one, begin with an empty log and"
                " an empty database"
            )
        if not first:
            raise TooDeep("the gateway has another first block: its node is on another chain")
        return await self._end_at(first - 1)

    async def _end_at(self, number: int) -> End:
        block = await self._chain.block(number)
        if block is None:
            raise Moved(f"the gateway has no block {number} yet")
        return End(number, block.hash)

    async def _is_canonical(self, end: End) -> bool:
        block = await self._chain.block(end.number)
        return block is not None and block.hash == end.hash

    async def _read(self, lowest: int, head: Head) -> _Reading:
        with self._asked.logs():
            return await self._read_to(lowest, min(head.number, lowest + BLOCKS_MAX))

    async def _read_to(self, lowest: int, last: int) -> _Reading:
        headers = await linked(self._chain, lowest + 1, last)
        together = await self._reader.of_blocks(headers)
        logs: list[tuple[GatewayLog, tuple[str, ...]]] = []
        for header in headers:
            found = await self._reader.of_block(header, together.get(header.hash))
            logs += ((_fact_log(header, log), self._router.route(log)) for log in found)
        to = End(last, headers[-1].hash, headers[-1].timestamp)
        # Asked again after the logs: the node's branch may have changed while they were read.
        if (await self._block(last)).hash != to.hash:
            raise Moved
        below = End(lowest, headers[0].parent_hash)
        ends = {header.number: End(header.number, header.hash, header.timestamp) for header in headers}
        return _Reading({lowest: below, **ends}, to, tuple(logs))

    async def _block(self, number: int) -> End:
        block = await self._chain.block(number)
        if block is None:
            raise Moved
        return End(number, block.hash, block.timestamp)

    async def _publish_next(self, cursor: _Cursor, reading: _Reading) -> None:
        to = _end_for(cursor, reading)
        if to is None or to.number <= cursor.at.number:
            return
        logs = _logs_of(cursor, reading, to.number)
        beyond = _beyond(logs) if cursor.orphaned is None else None
        if beyond is not None:
            logs = _before(logs, beyond)
            to = End(logs[-1].block_number, logs[-1].block_hash)
        is_full = to.number - cursor.at.number >= BLOCKS_MAX
        now_s = self._clock.monotonic_s()
        # An empty range is worth a record only now and then: it moves the clock of drift and the position.
        if not logs and not is_full and now_s - cursor.published_s < QUIET_S:
            return
        await self._publish(cursor, to, tuple(logs))
        cursor.at, cursor.orphaned, cursor.published_s = to, None, now_s

    async def _publish(self, cursor: _Cursor, to: End, logs: tuple[GatewayLog, ...]) -> None:
        fact = GatewayRange(
            chain_id=self._gateway.chain_id,
            from_block=cursor.at.number,
            from_hash=cursor.at.hash,
            to_block=to.number,
            to_hash=to.hash,
            logs=logs,
            to_timestamp=to.timestamp,
            anchor=cursor.at.number <= start_of(self._gateway),
        )
        event_id = gateway_event_id(fact.chain_id, cursor.tenant, fact.from_block, to.hash)
        try:
            with self._busy.track_inprogress():
                await self._publisher.publish(cursor.tenant, fact, event_id)
        # Also a cancellation: the record may be in the log, so the position is read again.
        except BaseException as error:
            self._cursors.pop(cursor.tenant, None)  # what is in its log is unknown now
            if isinstance(error, Exception):  # not the end of the service
                self._requests.lost(logs)
            raise
        self._ends[cursor.tenant].audit.published()
        self._ranges.labels(cursor.tenant).inc()
        self._requests.told(logs)


def _fact_log(header: Head, log: ChainLog) -> GatewayLog:
    return GatewayLog(block_number=header.number, block_hash=header.hash, log=bounded(log))


def _end_for(cursor: _Cursor, reading: _Reading) -> End | None:
    if cursor.orphaned is None:
        return reading.to
    # Until the new branch is as long, readers could not tell that the old end is gone.
    return reading.ends.get(cursor.orphaned)


def _logs_of(cursor: _Cursor, reading: _Reading, last: int) -> list[GatewayLog]:
    return [
        log
        for log, tenants in reading.logs
        if cursor.tenant in tenants and cursor.at.number < log.block_number <= last
    ]


def _beyond(logs: Sequence[GatewayLog]) -> int | None:
    """Number of the first block that a range with these events has no room for; None when it has."""
    size_bytes = 0
    for index, log in enumerate(logs):
        size_bytes += len(log.log.data)
        if index >= EVENTS_MAX or size_bytes > RANGE_BYTES_MAX:
            return log.block_number
    return None


def _before(logs: Sequence[GatewayLog], beyond: int) -> list[GatewayLog]:
    """Events of the blocks before that one; of the block itself where it is the first."""
    whole = [log for log in logs if log.block_number < beyond]
    return whole or [log for log in logs if log.block_number == beyond]
