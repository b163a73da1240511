"""Where a source stands: read back from the end of its tenant's partition of `events.v1`.

A fact in parts counts once all its parts are there, at the place of the last; a sequence that was cut off
does not count, so its block is published again whole. Facts that an operator had told again do not count
either where they lie behind others: they are old ones behind newer ones, and whoever stood on them would tell
all that follows once more. Where a log begins with them, because retention took the rest, they are what
listeners went on from.
"""

import math
from collections.abc import Callable
from contextlib import aclosing
from typing import Final, Generic, TypeVar

from streams.domain import facts
from streams.domain.errors import BrokerError, LogTruncated, Undecodable
from streams.messages import headers
from streams.messages.topics import EVENTS
from streams.ports import Log, Record

_CHUNK_RECORDS: Final = 500  # of the first step back; each further one is twice as long
_CHUNK_RECORDS_MAX: Final = 20_000
CHUNK_BYTES_MAX: Final = 32 * 1024 * 1024  # of a tenant's records in memory; a step with more is shortened

T = TypeVar("T")
Placed = tuple[int, T]  # with the offset at which a fact became whole


class _Parts:
    """Parts of facts met on the way back, by the digest of the whole."""

    def __init__(self) -> None:
        self._bodies: dict[bytes, dict[int, bytes]] = {}
        self._last: dict[bytes, int] = {}

    def add(self, part: facts.FactPart, offset: int) -> tuple[int, facts.Fact] | None:
        """The whole fact and where it became whole, once this was the missing part."""
        bodies = self._bodies.setdefault(part.sha256, {})
        bodies.setdefault(part.index, part.body)
        # where it became whole: readers count it at its last part
        self._last[part.sha256] = max(offset, self._last.get(part.sha256, -1))
        # Its first part last, on the way back: readers keep no part before that one.
        if part.index or len(bodies) < part.count:
            return None
        whole = b"".join(bodies[index] for index in range(part.count))
        del self._bodies[part.sha256]
        return self._last.pop(part.sha256), facts.decode_fact(whole)


class _Met(Generic[T]):
    """What is picked of records met on the way back, at most so many."""

    def __init__(self, pick: Callable[[facts.Fact], T | None], most: float = math.inf) -> None:
        self.found: list[Placed[T]] = []
        self._pick, self._most = pick, most
        self._parts = _Parts()

    def add(self, record: Record) -> bool:
        """Whether something of it was picked, or of the fact of which it is the last part to come."""
        if len(self.found) >= self._most:
            return False
        placed = _decode(record, self._parts)
        picked = None if placed is None else self._pick(placed[1])
        if placed is None or picked is None:
            return False
        self.found.append((placed[0], picked))
        return True


async def newest_facts(
    log: Log, tenant: str, pick: Callable[[facts.Fact], T | None], count: int, records_max: int | None = None
) -> list[T]:
    """What is picked of the newest facts of a tenant, oldest first; at least `count` where the log has them.

    Args:
        pick: what is needed of a fact, and no more: it is held, the fact is not; None of one to leave out.
        records_max: give up after that many records of the partition.

    Raises: BrokerError.
    """
    return [picked for _, picked in await placed_facts(log, tenant, pick, count, records_max)]


async def placed_facts(
    log: Log,
    tenant: str,
    pick: Callable[[facts.Fact], T | None],
    count: int | None = None,
    records_max: int | None = None,
    *,
    since: int = 0,
    is_first: Callable[[T], bool] = lambda _: False,
    follows: Callable[[T, T], bool] = lambda _, __: False,
) -> list[Placed[T]]:
    """The same with their offsets.

    Args:
        count: all of them where it is None.
        since: an offset, before which nothing is looked at.
        is_first: whether a tenant's log begins with it, though another listener may have told it later.
        follows: whether the second one was told on from the first one, so that both count.

    Raises: BrokerError, also where retention takes what is just being read: then it is to be read again.
    """
    partition = log.partition_of(EVENTS, tenant.encode())
    first, end = await log.bounds(EVENTS, partition)
    stop = max(first, since) if records_max is None else max(first, since, end - records_max)
    try:
        found = await _backwards(log, tenant, (stop, end), pick, count, is_first, follows)
    except LogTruncated as error:
        raise BrokerError(f"the log of {tenant} became shorter while it was read") from error
    return sorted(found, key=lambda placed: placed[0])


async def _backwards(
    log: Log,
    tenant: str,
    bounds: tuple[int, int],
    pick: Callable[[facts.Fact], T | None],
    count: int | None,
    is_first: Callable[[T], bool],
    follows: Callable[[T, T], bool],
) -> list[Placed[T]]:
    partition, (stop, end) = log.partition_of(EVENTS, tenant.encode()), bounds
    told, again = _Met(pick), _Met(pick, count or 0)
    step = _CHUNK_RECORDS
    # backwards from the end, in growing steps: what is wanted is near it, but not always
    while end > stop and (count is None or len(told.found) < count):
        begin = max(stop, end - step)
        chunk = await _records(log, partition, begin, end, tenant.encode())
        if chunk is None:
            step = (end - begin) // 2
            continue
        newer = len(told.found)
        while chunk:  # from its end, and let go of as it is read
            _meet(chunk.pop(), told, again)
        # Behind the first one others may lie, of a listener that was quicker; nothing lies far behind it.
        if len(told.found) == newer and any(is_first(picked) for _, picked in told.found):
            break
        end, step = begin, min(2 * step, _CHUNK_RECORDS_MAX)
    if told.found and not any(follows(older, told.found[-1][1]) for _, older in again.found):
        return told.found
    return told.found + again.found


def _meet(record: Record, told: _Met[T], again: _Met[T]) -> None:
    if _is_again(record):
        again.add(record)
    elif told.add(record):
        again.found.clear()  # these lie behind it


def _is_again(record: Record) -> bool:
    return any(name == headers.AGAIN for name, _ in record.headers)


async def _records(log: Log, partition: int, begin: int, end: int, key: bytes) -> list[Record] | None:
    """A tenant's records there, None where they are too much to hold at once."""
    kept: list[Record] = []
    size_bytes = 0
    async with aclosing(log.read(EVENTS, partition, begin, end)) as records:
        async for record in records:
            if record.key != key or record.value is None:
                continue
            size_bytes += len(record.value)
            if size_bytes > CHUNK_BYTES_MAX and end - begin > 1:
                return None
            kept.append(record)
    return kept


def _decode(record: Record, parts: _Parts) -> tuple[int, facts.Fact] | None:
    try:
        fact = facts.decode_fact(record.value or b"")
        if isinstance(fact, facts.FactPart):
            return parts.add(fact, record.offset)
    except Undecodable:
        return None  # parked by the graph; it is not ours
    return record.offset, fact
