"""Facts onto `events.v1`: in order, each acknowledged before the next, the first delivery error stops."""

import hashlib
from typing import Final

from streams.adapters.kafka.delivery import when_stored
from streams.domain import facts
from streams.ports import Headers, Log
from streams.services.crashpoints import crashpoint

EVENTS: Final = "events.v1"
# A broker that loses its leader uncleanly loses what it acknowledged; so the log is read back now and then.
AUDIT_S: Final = 60.0
_SCHEMA: Final = b"events/1"


def bounded(log: facts.Log) -> facts.Log:
    """The log, without its data when they are too large for a fact."""
    if len(log.data) <= facts.LOG_DATA_BYTES_MAX:
        return log
    omitted = facts.OmittedData(sha256=hashlib.sha256(log.data).digest(), size_bytes=len(log.data))
    return facts.Log(
        address=log.address,
        topics=log.topics,
        data=b"",
        transaction_hash=log.transaction_hash,
        log_index=log.log_index,
        omitted=omitted,
    )


def event_headers(event_id: str, tenant: str, schema: bytes = _SCHEMA) -> Headers:
    """Headers of a fact; identity and trace follow from the event, so that every listener writes the same."""
    seed = hashlib.sha256(event_id.encode()).digest()
    return (
        ("event-id", event_id.encode()),
        ("schema", schema),
        ("content-type", b"application/json"),
        ("tenant", tenant.encode()),
        ("traceparent", f"00-{seed[:16].hex()}-{seed[16:24].hex()}-01".encode()),
    )


def host_event_id(chain_id: int, block_hash: bytes) -> str:
    """Identity of a host block's fact."""
    return f"host/{chain_id}/{block_hash.hex()}"


class Publisher:
    """Appends the facts of one source; `name` is that of its crash points."""

    def __init__(self, log: Log, name: str) -> None:
        self._log = log
        self._name = name

    async def publish(self, tenant: str, fact: facts.Fact, event_id: str) -> None:
        """Append a fact, in parts where it is large; raises BrokerError, then its fate is unknown."""
        records = facts.encode_fact(fact)
        headers = event_headers(event_id, tenant)
        for index, record in enumerate(records):
            if index == 1:
                crashpoint(f"{self._name}.between_parts")
            await self._append(tenant, record, headers)
        crashpoint(f"{self._name}.acknowledged")

    async def _append(self, tenant: str, record: bytes, headers: Headers) -> None:
        with when_stored(lambda: crashpoint(f"{self._name}.produced")):
            await self._log.append(EVENTS, key=tenant.encode(), value=record, headers=headers)
