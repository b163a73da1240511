"""Ends of the gateway ranges that a tenant's log adds up to, as its readers count them."""

from collections.abc import Iterable, Sequence

import msgspec

from streams.domain.facts import Fact, GatewayRange
from streams.ports import Clock, Log
from streams.services.listener.audit import Audit
from streams.settings import GatewaySettings


class End(msgspec.Struct, frozen=True):
    """A block of the gateway at which a range begins or ends."""

    number: int
    hash: bytes
    timestamp: int = 0  # where it was read from the chain


def start_of(gateway: GatewaySettings) -> int:
    """Number at which a tenant's first range begins: ranges are open below, (from, to]."""
    return max(0, gateway.start_block - 1)


def fold(ranges: Iterable[GatewayRange], known: Sequence[End] = ()) -> list[End]:
    """Ends in rising order, as the graph counts them, after those that are known.

    A range counts above the tip. One that ends at a known number with another hash first takes back what
    came after its start. One that starts on another branch, or behind a gap, does not count.
    """
    ends = list(known)
    hashes = {end.number: end.hash for end in ends}
    for found in ranges:
        start, stop = End(found.from_block, found.from_hash), End(found.to_block, found.to_hash)
        # the oldest range that was looked at: what lies below it is taken as given
        if not ends:
            ends.append(start)
            hashes[start.number] = start.hash
        if hashes.get(start.number, start.hash) != start.hash:
            continue
        if hashes.get(stop.number, stop.hash) != stop.hash:
            ends = [end for end in ends if end.number <= start.number] or [start]
            hashes = {end.number: end.hash for end in ends}
        if start.number <= ends[-1].number < stop.number:
            ends.append(stop)
            hashes[stop.number] = stop.hash
    return ends


def _follows(older: GatewayRange, newer: GatewayRange) -> bool:
    return older.to_hash == newer.from_hash


class Ends:
    """Ends of one tenant's ranges, as its log has them."""

    def __init__(self, log: Log, tenant: str, gateway: GatewaySettings, clock: Clock) -> None:
        self._gateway = gateway
        first = start_of(gateway)
        self.audit = Audit(log, tenant, clock, self._pick, lambda found: found.from_block == first, _follows)
        self._known: list[End] = []

    async def read(self) -> list[End]:
        """The newest that the log adds up to, at most `reorg_ranges_max` ranges; none in a new log.

        Raises: BrokerError.
        """
        ranges_max = self._gateway.reorg_ranges_max
        found, goes_on = await self.audit.read(ranges_max)
        ends = fold((placed[1] for placed in found), self._known if goes_on else [])
        tip = ends[-1].hash if ends else b""
        self.audit.mark(found, lambda last: last.to_hash == tip)
        self._known = ends[-ranges_max - 1 :]  # so many ranges, with where the first of them begins
        return self._known

    def _pick(self, fact: Fact) -> GatewayRange | None:
        if not isinstance(fact, GatewayRange) or fact.chain_id != self._gateway.chain_id:
            return None
        return msgspec.structs.replace(fact, logs=())
