"""Records that cannot be applied: parked when they do not decode, kept when their tenant is halted."""

from typing import Final, TypedDict

from streams.domain.errors import Undecodable
from streams.domain.items import DEAD_LETTER
from streams.domain.lifecycle import WorkState
from streams.domain.rows import HALTED, AlarmKind, AlarmRow, WorkRow
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
    parked = letter(record, tenant, type(defect).__name__, str(defect))
    await tx.park(parked)
    state.put(AlarmRow(tenant=tenant, kind=AlarmKind.UNDECODABLE, subject=parked.id, detail=parked.error))
    state.put(publication(parked))


async def halt(tx: Transaction, record: Record, tenant: str, error: str) -> None:
    """Keep the record that fails as the first of its tenant's kept records, and raise an alarm."""
    await _name(tx, record, tenant, error)
    # Halted, then held like those that follow: it is the first that `resume` applies.
    await tx.hold(tenant, record)


async def halt_again(tx: Transaction, record: Record, tenant: str, error: str) -> None:
    """Name the kept record that fails now in place of the one before."""
    await tx.resume(tenant)
    await _name(tx, record, tenant, error)


async def _name(tx: Transaction, record: Record, tenant: str, error: str) -> None:
    state = State()
    state.put(AlarmRow(tenant=tenant, kind=HALTED, subject=record.identity, detail=_stored(error)))
    await tx.write(state.changes())
    await tx.halt(tenant, record, _stored(error))


def error_of(cause: Exception) -> str:
    """An error as it is stored and shown."""
    return f"{type(cause).__name__}: {cause}"


def letter(record: Record, tenant: str, error_class: str, error: str) -> DeadLetter:
    """A record that is not applied, with the reason."""
    return DeadLetter(
        id=record.identity, tenant=tenant, record=record, error_class=error_class, error=_stored(error)
    )


def publication(parked: DeadLetter) -> WorkRow:
    """The item that copies a letter to dlq.v1."""
    return WorkRow(
        tenant=parked.tenant,
        id=item_id(WorkClass.PUBLISH, parked.tenant, b"parked:" + parked.id),
        work_class=WorkClass.PUBLISH,
        kind=DEAD_LETTER,
        subject=parked.id,
        affinity=parked.id,
        contract=b"",
        cost_ms=1,
        state=WorkState.READY,
    )


def _stored(error: str) -> str:
    return error[:_ERROR_CHARS_MAX].replace("\0", "�")
