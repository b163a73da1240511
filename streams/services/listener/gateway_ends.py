"""Ends of the gateway ranges that a tenant's log adds up to, as its readers count them."""

from collections.abc import Iterable

import msgspec

from streams.domain.facts import Fact, GatewayRange
from streams.ports import Log
from streams.services.listener.position import newest_facts
from streams.settings import GatewaySettings


class End(msgspec.Struct, frozen=True):
    """A block of the gateway at which a range begins or ends."""

    number: int
    hash: bytes
    timestamp: int = 0  # where it was read from the chain


def fold(ranges: Iterable[GatewayRange]) -> list[End]:
    """Ends in rising order, as the graph counts them.

    A range counts above the tip. One that ends at a known number with another hash first takes back what
    came after its start. One that starts on another branch, or behind a gap, does not count.
    """
    ends: list[End] = []
    for found in ranges:
        start, stop = End(found.from_block, found.from_hash), End(found.to_block, found.to_hash)
        # the oldest range that was looked at: what lies below it is taken as given
        if not ends:
            ends.append(start)
        if _contradicts(ends, start):
            continue
        if _contradicts(ends, stop):
            ends = [end for end in ends if end.number <= start.number] or [start]
        if start.number <= ends[-1].number < stop.number:
            ends.append(stop)
    return ends


def _contradicts(ends: Iterable[End], other: End) -> bool:
    return any(end.number == other.number and end.hash != other.hash for end in ends)


async def read_ends(log: Log, tenant: str, gateway: GatewaySettings) -> list[End]:
    """Ends that the newest ranges in a tenant's log add up to; none in a new log."""

    def pick(fact: Fact) -> GatewayRange | None:
        if not isinstance(fact, GatewayRange) or fact.chain_id != gateway.chain_id:
            return None
        return msgspec.structs.replace(fact, logs=())

    ranges = await newest_facts(log, tenant, pick, gateway.reorg_ranges_max)
    return fold(ranges[-gateway.reorg_ranges_max :])
