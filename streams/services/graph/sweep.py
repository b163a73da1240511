"""Takes back what is late: past its deadline, or at a worker that is not alive.

It is decided over like a failed attempt, so work that nothing wants any more is cancelled, not repeated.
"""

from collections.abc import Callable, Collection
from typing import Final

import msgspec

from streams.domain.decide import decide_result
from streams.domain.lifecycle import IN_FLIGHT, WorkState, work_transition
from streams.domain.results import Failed
from streams.domain.rows import WorkRow
from streams.domain.state import State
from streams.domain.work import WorkClass
from streams.ports import Transaction
from streams.services.graph.session import Session

# A lost worker's items are ready again at once; one that keeps taking its worker along has to wait.
_AT_ONCE: Final = 3
_POSTPONED_MS: Final = 5_000  # until an object store that was away is asked again


async def take_back(tx: Transaction, now_ms: int, live: Collection[str]) -> list[str]:
    """Make late items ready again, or cancel them; gives their ids."""
    late = await tx.late(now_ms, live)
    await give_up(tx, late, "Late", now_ms)
    return [row.id for row in late]


async def give_up(tx: Transaction, items: Collection[WorkRow], error: str, now_ms: int) -> None:
    """End an attempt of items that may succeed later."""
    if not items:
        return
    session = Session(tx)
    await session.decide_each([_decision(row, error, now_ms) for row in items])
    await tx.write(session.state.changes())


async def put_off(tx: Transaction, items: Collection[WorkRow], now_ms: int) -> None:
    """End an attempt that could not begin: it does not count, and the next one is soon."""
    session = Session(tx)
    await session.decide_each([_postponement(row, now_ms) for row in items])
    await tx.write(session.state.changes())


async def refuse(tx: Transaction, item: WorkRow, error: Exception) -> None:
    """Fail an item for good: dependents learn the cause, and a dead letter goes out."""
    # As if a worker had said so: one path for every failure.
    failed = _failed(item, type(error).__name__, str(error), "irrecoverable")
    session = Session(tx)
    await session.decide(lambda state: decide_result(state, item.tenant, failed, 0))
    await tx.write(session.state.changes())


def _decision(row: WorkRow, error: str, now_ms: int) -> Callable[[State], None]:
    def decide(state: State) -> None:
        # No worker has it: it is sent again, without a schedule of attempts.
        if row.work_class == WorkClass.PUBLISH:
            _again(state, row)
            return
        decide_result(state, row.tenant, _failed(row, error, "", "recoverable"), now_ms)
        found = state.get(WorkRow, row.tenant, row.id)
        # The worker died, the item probably did not kill it: at once, but only a few times.
        if found is not None and found.state is WorkState.READY and found.uncomputable_counter <= _AT_ONCE:
            state.put(msgspec.structs.replace(found, not_before_ms=0))

    return decide


def _postponement(row: WorkRow, now_ms: int) -> Callable[[State], None]:
    def decide(state: State) -> None:
        decide_result(state, row.tenant, _failed(row, "BlobError", "", "recoverable"), now_ms)
        found = state.get(WorkRow, row.tenant, row.id)
        if found is not None and found.state is WorkState.READY:
            counter, soon_ms = row.uncomputable_counter, now_ms + _POSTPONED_MS
            state.put(msgspec.structs.replace(found, uncomputable_counter=counter, not_before_ms=soon_ms))

    return decide


def _again(state: State, late: WorkRow) -> None:
    row = state.get(WorkRow, late.tenant, late.id)
    if row is not None and row.state in IN_FLIGHT and row.attempt == late.attempt:
        ready = work_transition(row.state, WorkState.READY)
        state.put(msgspec.structs.replace(row, state=ready, attempt=row.attempt + 1))


def _failed(row: WorkRow, error: str, message: str, category: str) -> Failed:
    return Failed(
        item=row.id, attempt=row.attempt, worker=row.worker, category=category, error=error, message=message
    )
