"""Records that cannot be applied: parked when they do not decode, kept when their tenant is halted."""

import hashlib
from typing import Final, TypedDict

from streams.domain.errors import Undecodable
from streams.domain.items import DEAD_LETTER
from streams.domain.lifecycle import WorkState
from streams.domain.rows import HALTED, AlarmRow, WorkRow
from streams.domain.state import State
from streams.domain.work import WorkClass, item_id
from streams.ports import DeadLetter, Record, Transaction

_ERROR_CHARS_MAX: Final = 2000
_TENANT_CHARS_MAX: Final = 200


class Place(TypedDict):
    """Where a record lies, for logs."""

    topic: str
    partition: int
    offset: int


def place_of(record: Record) -> Place:
    """Where a record lies."""
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}


def tenant_of(record: Record) -> str:
    """The tenant that a record's key names, as far as it is text that the store can hold."""
    # Postgres' text has no zero byte, and a key that is no name of a tenant still needs a row to be kept
    # under.
    text = (record.key or b"").decode(errors="replace").replace("\0", "�")
    return text[:_TENANT_CHARS_MAX]


async def park(tx: Transaction, state: State, record: Record, tenant: str, defect: Undecodable) -> None:
    """Keep bytes that do not decode, raise an alarm, and let class `publish` copy them to dlq.v1."""
    letter = _letter(record, tenant, defect)
    await tx.park(letter)
    state.put(AlarmRow(tenant=tenant, kind="undecodable", subject=letter.id, detail=letter.error))
    state.put(
        WorkRow(
            tenant=tenant,
            id=item_id(WorkClass.PUBLISH, tenant, b"parked:" + letter.id),
            work_class=WorkClass.PUBLISH,
            kind=DEAD_LETTER,
            subject=letter.id,
            affinity=letter.id,
            contract=b"",
            cost_ms=1,
            state=WorkState.READY,
        )
    )


async def halt(tx: Transaction, record: Record, tenant: str, cause: Exception) -> None:
    """Keep the record that fails as the first of its tenant's kept records, and raise an alarm."""
    error = f"{type(cause).__name__}: {cause}"[:_ERROR_CHARS_MAX].replace("\0", "�")
    state = State()
    state.put(AlarmRow(tenant=tenant, kind=HALTED, subject=_identity(record), detail=error))
    await tx.write(state.changes())
    # Halted, then held like those that follow: it is the first that `resume` applies.
    await tx.halt(tenant, record, error)
    await tx.hold(tenant, record)


def _letter(record: Record, tenant: str, defect: Undecodable) -> DeadLetter:
    return DeadLetter(
        id=_identity(record),
        tenant=tenant,
        record=record,
        error_class=type(defect).__name__,
        error=str(defect)[:_ERROR_CHARS_MAX].replace("\0", "�"),
    )


def _identity(record: Record) -> bytes:
    # by its place: the same record parked twice is one letter
    return hashlib.sha256(f"{record.topic}/{record.partition}/{record.offset}".encode()).digest()
