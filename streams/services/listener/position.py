"""Where a source stands: read back from the end of its tenant's partition of `events.v1`.

A fact in parts counts once all its parts are there, at the place of the last; a sequence that was cut off
does not count, so its block is published again whole.
"""

from collections.abc import Callable
from typing import Final

from streams.domain import facts
from streams.domain.errors import Undecodable
from streams.messages.topics import EVENTS
from streams.ports import Log, Record

_CHUNK_RECORDS: Final = 500  # of the first step back; each further one is twice as long
_CHUNK_RECORDS_MAX: Final = 20_000


class _Parts:
    """Parts of facts met on the way back, by the digest of the whole."""

    def __init__(self) -> None:
        self._bodies: dict[bytes, dict[int, bytes]] = {}
        self._last: dict[bytes, int] = {}

    def add(self, part: facts.FactPart, offset: int) -> tuple[int, facts.Fact] | None:
        """The whole fact and where it became whole, once this was the missing part."""
        bodies = self._bodies.setdefault(part.sha256, {})
        bodies.setdefault(part.index, part.body)
        self._last[part.sha256] = max(offset, self._last.get(part.sha256, -1))
        if len(bodies) < part.count:
            return None
        whole = b"".join(bodies[index] for index in range(part.count))
        del self._bodies[part.sha256]
        return self._last.pop(part.sha256), facts.decode_fact(whole)


async def newest_facts(
    log: Log, tenant: str, wanted: Callable[[facts.Fact], bool], count: int, records_max: int | None = None
) -> list[facts.Fact]:
    """The newest facts of a tenant that are wanted, oldest first; at least `count` where the log has them.

    Args:
        records_max: give up after that many records of the partition.
    """
    partition = log.partition_of(EVENTS, tenant.encode())
    first, end = await log.bounds(EVENTS, partition)
    stop = first if records_max is None else max(first, end - records_max)
    found: list[tuple[int, facts.Fact]] = []
    parts, step = _Parts(), _CHUNK_RECORDS
    while end > stop and len(found) < count:
        begin = max(stop, end - step)
        chunk = [record async for record in log.read(EVENTS, partition, begin, end)]
        for record in reversed(chunk):
            placed = _decode(record, tenant, parts)
            if placed is not None and wanted(placed[1]):
                found.append(placed)
        end, step = begin, min(2 * step, _CHUNK_RECORDS_MAX)
    return [fact for _, fact in sorted(found, key=lambda placed: placed[0])]


def _decode(record: Record, tenant: str, parts: _Parts) -> tuple[int, facts.Fact] | None:
    if record.key != tenant.encode() or record.value is None:
        return None
    try:
        fact = facts.decode_fact(record.value)
        if isinstance(fact, facts.FactPart):
            return parts.add(fact, record.offset)
    except Undecodable:
        return None  # parked by the graph; it is not ours
    return record.offset, fact
