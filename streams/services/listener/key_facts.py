"""Keys that are active, told to each tenant: announcements on `keysets.v1`, a fact in every tenant's log.

Both are idempotent by id, so repeating either is harmless; a tenant hears of keys in the order of their
announcements, a new one before anything else.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
import structlog

from streams.adapters.telemetry.tracing import OFF, Tracing
from streams.domain import facts
from streams.domain.control import Announcement, CrsAnnouncement, KeySetAnnouncement
from streams.messages import subjects
from streams.messages.topics import KEYSETS
from streams.ports import Log, Record
from streams.services.crashpoints import crashpoint
from streams.services.listener.position import newest_facts
from streams.services.listener.publish import Publisher, event_headers

# How far back a tenant's log is searched for keys that it has; what lies further back is told again.
_RECORDS_MAX: Final = 50_000
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Announcement)
_log = structlog.get_logger(__name__)

KeyFact = facts.KeyActivated | facts.CrsActivated


def announcement_key(announcement: Announcement) -> str:
    """Key of an announcement's record."""
    if isinstance(announcement, KeySetAnnouncement):
        return f"keyset/{announcement.key_id.hex()}"
    return f"crs/{announcement.crs_id.hex()}"


def key_fact(announcement: Announcement) -> KeyFact:
    """What a tenant is told about an announced key."""
    if isinstance(announcement, CrsAnnouncement):
        return facts.CrsActivated(crs_id=announcement.crs_id, digest=announcement.digest)
    return facts.KeyActivated(
        key_id=announcement.key_id,
        digest=announcement.digest,
        engine=announcement.engine,
        release=announcement.release,
    )


async def announced(log: Log) -> list[Announcement]:
    """Everything that `keysets.v1` holds, oldest first."""
    records: dict[bytes, Record] = {}
    for partition in range(await log.partitions(KEYSETS)):
        first, end = await log.bounds(KEYSETS, partition)
        async for record in log.read(KEYSETS, partition, first, end):
            # the newest record of a key wins and stands at its own place, as after compaction
            records.pop(record.key or b"", None)
            records[record.key or b""] = record
    # in the order of their offsets, one for everybody: times are those of the producers' clocks
    return [_decoder.decode(record.value) for record in records.values() if record.value is not None]


async def announce(log: Log, announcement: Announcement) -> None:
    """Append an announcement; raises BrokerError."""
    key = announcement_key(announcement)
    headers = event_headers(key, None, subjects.KEYSETS.schema)
    await log.append(KEYSETS, key=key.encode(), value=_encoder.encode(announcement), headers=headers)
    crashpoint("keys.announced")


async def tell(log: Log, tenants: Iterable[str], tracing: Tracing = OFF) -> None:
    """Publish to each tenant the announced keys that its log lacks; raises BrokerError.

    All of them and in their order, whoever tells: a first key is the active one until a newer one comes, and
    of two that tell a tenant at once neither may tell it of the newer one alone.
    """
    publisher = Publisher(log, "keys", tracing)
    for tenant in tenants:
        known = await _known(log, tenant)
        for announcement in await announced(log):
            key = announcement_key(announcement)
            if key not in known:
                await publisher.publish(tenant, key_fact(announcement), f"{tenant}/{key}")
                _log.info("tenant told of a key", action="key_activated", tenant=tenant, key=key)
        crashpoint("keys.between_tenants")


async def _known(log: Log, tenant: str) -> set[str]:
    return set(await newest_facts(log, tenant, _fact_key, _RECORDS_MAX, _RECORDS_MAX))


def _fact_key(fact: facts.Fact) -> str | None:
    if isinstance(fact, facts.KeyActivated):
        return f"keyset/{fact.key_id.hex()}"
    return f"crs/{fact.crs_id.hex()}" if isinstance(fact, facts.CrsActivated) else None
